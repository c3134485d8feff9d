"""Settings of `affect_node`: model, device, inference backend, neutral baseline."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class AffectSettings(Settings):
    """Settings of the network and its inference (`affect_node`)."""

    model: str = setting(
        'smile_va',
        'name of an installed checkpoint (see `affect-perception models`), or path of a .safetensors file',
        common=True,
    )
    tracks_topics: str = setting(
        'face_tracks',
        'topics of face tracks, one per camera, separated by commas: all faces in one batch; results for '
        'left/face_tracks are published on left/face_affect',
    )
    audio_topic: str = setting('audio_features', 'topic of acoustic features; without a publisher nothing changes')
    device: str = setting(
        'auto', 'device of the network: auto, cpu, cuda or cuda:N; an absent device is an error', common=True
    )
    backend: str = setting(
        'auto',
        'inference backend of the CNN: torch, torch_bf16, mnn, openvino, openvino_bf16, onnxruntime; auto: the '
        'fastest, measured at start, of those that agree with PyTorch among mnn (else openvino), torch and, where the '
        'CPU has bfloat16, openvino_bf16 and torch_bf16; fixed: the first of mnn, openvino, torch that is installed '
        'and agrees, for identical bytes on every run, as in offline evaluation',
    )
    threads: int = setting(
        0,
        'CPU threads of the network; 0: half of the cores, 1 to 4; with the backend fixed, mnn and openvino have one',
        low=0,
        high=256,
    )
    stride_s: float = setting(
        0.25,
        'clip networks (qian2023, vielzeuf2018): time between two readings of the window of a face, whose outputs are '
        'repeated until the next one; 0: with every frame that changes the window',
        unit='s',
        low=0.0,
        high=10.0,
        live=True,
    )
    smile_scale: str = setting(
        'absolute',
        'scale of the smile intensity; absolute: one scale for everybody; personal: relative to the neutral face of '
        'the first seconds of each person and to the strongest smile so far',
        choices=('absolute', 'personal'),
        live=True,
        common=True,
    )
    neutral_seconds: float = setting(
        2.0,
        'duration of the estimate of the neutral face, also after the service `~/calibrate_neutral`',
        unit='s',
        low=0.1,
        high=60.0,
        live=True,
    )
