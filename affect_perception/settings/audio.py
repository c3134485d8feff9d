"""Settings of `audio_node`: sound source, features, speech activity."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class AudioSettings(Settings):
    """Settings of the sound and its features (`audio_node`); `run` starts the node only where `--audio` is given."""

    audio: str = setting(
        'auto',
        'sound: off, microphone, microphone:NUMBER or microphone:NAME, scene, topic:NAME (audio_common_msgs), a media '
        'file, a bag, a stream URL, or auto (the sound of the file, bag, address or scene that the images come from, '
        'else the microphone). Without it `run`, `evaluate` and smile.launch.py use no sound',
        common=True,
    )
    audio_features: str = setting(
        'logmel',
        'logmel: log-mel bands, MFCC, energy, F0; compare65, egemaps: descriptors of openSMILE, which is free for '
        'research only; a model that was trained with others turns these on where it runs in the same program',
        choices=('logmel', 'compare65', 'egemaps'),
    )
    audio_functionals: str = setting(
        'off',
        'also publish openSMILE functionals of the last seconds, for clip networks: egemaps (88 numbers), is10 (1582), '
        'compare (6373), emobase (988); a model that needs them turns them on where it runs in the same program',
        choices=('off', 'egemaps', 'is10', 'compare', 'emobase'),
    )
    audio_window_s: float = setting(
        4.0, 'duration of sound in one row of openSMILE functionals', unit='s', low=0.5, high=60.0
    )
    audio_stride_s: float = setting(1.0, 'time between two rows of openSMILE functionals', unit='s', low=0.1, high=60.0)
    audio_period_s: float = setting(0.1, 'time between two messages of features', unit='s', low=0.02, high=5.0)
    audio_speech: bool = setting(True, 'look for speech with Silero VAD')
    audio_file: str = setting(
        '', 'new WAV file for the samples as they are heard, 16 kHz mono, gaps as silence; empty: no samples are kept'
    )
    audio_rate: int = setting(
        16000, 'sample rate of a sound topic whose messages do not tell it', unit='Hz', low=4000, high=384000
    )
    audio_channels: int = setting(
        1, 'number of channels of a sound topic whose messages do not tell it', low=1, high=64
    )
    audio_format: str = setting(
        'S16LE',
        'sample format of a sound topic whose messages do not tell it',
        choices=('U8', 'S16LE', 'S24LE', 'S24_32LE', 'S32LE', 'F32LE', 'F64LE'),
    )
