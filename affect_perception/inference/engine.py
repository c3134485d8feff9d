"""Inference engine: tracked faces in, affect out; all faces of all cameras in one batch of the CNN. Needs no ROS.

engine = AffectEngine(AffectSettings(model='smile_va'))
affect = engine.step(tracked)  # TrackedFrame -> AffectFrame
affect = engine.steps({'': tracked}, {'': features})['']  # with AudioFeatures, for networks that hear
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from affect_perception.core.neutral_baseline import NeutralBaseline
from affect_perception.core.sound import AudioFeatures
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.inference.audio_input import AudioBuffer, AudioNeed
from affect_perception.inference.backends import selection
from affect_perception.inference.backends.backend import Backend
from affect_perception.inference.backends.pytorch import BATCH_SIZES, MemoryBoundBackend
from affect_perception.inference.crop_check import CropCheck
from affect_perception.inference.crop_encoder import CropEncoder
from affect_perception.inference.predictions import Predictions
from affect_perception.inference.stream import TrackStream, track_ids
from affect_perception.inference.track_state import CameraState, RecurrentStates
from affect_perception.inference.window import Window
from affect_perception.models import checkpoint
from affect_perception.models.face_model import FaceModel, TemporalModel
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.models.smile_va import USUAL_GAP_S
from affect_perception.runtime.devices import chosen_device, default_threads
from affect_perception.runtime.kept_files import sha256
from affect_perception.settings import AffectSettings
from affect_perception.types import AffectFrame, Box, Track, TrackedFrame

log = logging.getLogger(__name__)

# Faces that backends are compared on: with one face every backend keeps up with the camera, so the fastest with several
# is wanted; MNN is with 4, 8 and 16 (benchmarks/results/backends.json).
TRIAL_FACES = 4
WARM_UP_FACES = {'cpu': (1, 2, 4, 8), 'cuda': BATCH_SIZES}  # the first call with each batch size is slow
_WARM_UP_S = 4.0  # then larger batches are left out: a network so slow is not slowed down much by its first call


class AffectEngine:
    """Checkpoint, device, backend and state per track of `settings`; ConfigError at once for what cannot be used.

    `step` accepts any number of faces. Not thread-safe. Sets PyTorch's number of CPU threads for the process.
    """

    def __init__(self, settings: AffectSettings) -> None:
        self._device = chosen_device(settings.device)
        threads = settings.threads or default_threads()
        if self._device.type == 'cpu':
            torch.set_num_threads(threads)
        loaded = checkpoint.load(settings.model)
        self.header = loaded.header
        self._name = loaded.name
        self.crops = CropCheck(loaded)
        self._min_confidence = loaded.min_confidence
        self._settings = settings
        self._cameras: dict[str, CameraState] = {}
        try:
            self._model: FaceModel = loaded.model.fold().to(self._device)
            self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
            self._backend = self._select_backend(settings.backend, sha256(loaded.path), threads)
            if self._device.type == 'cuda':
                self._backend = MemoryBoundBackend(self._backend)
            else:
                torch.set_num_threads(selection.torch_threads(self.backend, threads))
            inputs = self._model.inputs if isinstance(self._model, SequenceModel) else None
            self.audio = AudioNeed.of(inputs, self.header) if inputs is not None else None
            encoder = CropEncoder(self._model, self._backend, self._device)
            self._stream = TrackStream(self._model, encoder, self.audio, settings.stride_s)
            self._warm_up()
        except (torch.cuda.OutOfMemoryError, BadInputError):
            raise ConfigError(
                f'{self._device} has no memory left for model {self._name}; close what else runs on it, or choose cpu'
            ) from None
        log.info('Model %s on %s, backend %s, %d CPU threads', self._name, self._device, self.backend, threads)
        log.info('Outputs of %s are based on %s', self._name, self.window)

    @property
    def model_name(self) -> str:
        """Name of the checkpoint, such as `smile_va`."""
        return self._name

    @property
    def backend(self) -> str:
        """Name of the backend in use, such as `torch` or `mnn`; never `auto`."""
        return self._backend.name

    @property
    def device(self) -> str:
        """Device in use, such as `cpu` or `cuda:0`; never `auto`."""
        return str(self._device)

    @property
    def expression_labels(self) -> tuple[str, ...]:
        """Names of Affect.expression_probabilities; empty for networks without such a head."""
        return self._model.expressions

    @property
    def reaction_labels(self) -> tuple[str, ...]:
        """Names of Affect.reaction_intensities; empty for networks without such a head."""
        return self._model.reactions

    @property
    def window(self) -> Window:
        """Frames that an output is based on, and its delay."""
        return Window.of(self._model, self._settings.stride_s)

    @property
    def details(self) -> dict[str, str]:
        """Key-value pairs for diagnostics: window, delay, crops, state of the tracks, sound."""
        cameras = list(self._cameras.values())
        states = [camera.recurrent for camera in cameras]
        pairs = {
            'window': str(self.window),
            'delay_s': f'{self.window.delay_s:.2f}',
            'crop_px': str(self.crops),
            'tracks_with_state': str(sum(len(s) for s in states)),
            'state_mb': f'{sum(s.megabytes for s in states):.1f}',
        }
        if self.audio is not None:
            pairs['audio'] = 'heard' if any(camera.heard for camera in cameras) else 'none: video only'
        return pairs

    def step(self, tracked: TrackedFrame) -> AffectFrame:
        """Predict the affect of every track of a frame, in their order; stamp and frame_id are the frame's.

        A face without a crop, with output that is not finite, or with a confidence below the checkpoint's threshold has
        NaN probabilities, hence level UNKNOWN.
        """
        return self.steps({'': tracked})['']

    @torch.inference_mode()
    def steps(
        self, frames: Mapping[str, TrackedFrame], audio: Mapping[str, AudioFeatures] | None = None
    ) -> dict[str, AffectFrame]:
        """Run `step` on one frame per camera (name → frame), with all faces in one batch.

        Track ids and stamps of each camera are its own. `audio` (camera → features): sound since the last call, as in
        `hear`.
        """
        for camera, features in (audio or {}).items():
            self.hear(features, camera)
        return self._predict(frames)

    def hear(self, features: AudioFeatures, camera: str = '') -> None:
        """Take sound of a camera, for the images up to and after it; rows that overlap earlier ones are dropped.

        A network without audio ignores it. An image with no row of the last 0.25 s is processed as video alone.
        BadInputError `audio` for features that the network was not trained with.
        """
        buffer = self._camera(camera).audio
        if buffer is not None:
            buffer.put(features)

    @torch.inference_mode()
    def sequence(self, frames: Sequence[TrackedFrame], audio: AudioFeatures | None = None) -> list[AffectFrame]:
        """Run `step` on consecutive frames of one camera, with the faces of all frames in one batch of the CNN.

        For recordings; live, waiting for frames would add latency. `audio`: the sound of all these frames.
        """
        if audio is not None:
            self.hear(audio)
        if not self._stream.can_encode_ahead:
            return [self._predict({'': tracked})[''] for tracked in frames]
        self.crops.check(frames)
        embeddings = self._stream.encode(frames)
        parts = torch.split(embeddings, [len(track_ids(tracked)) for tracked in frames])
        return [self._predict({'': tracked}, part)[''] for tracked, part in zip(frames, parts, strict=True)]

    def calibrate_neutral(self) -> None:
        """Take the tracks of the next frame of each camera as neutral for the next `neutral_seconds`."""
        if not self._cameras:
            self._camera('')
        for camera in self._cameras.values():
            camera.calibrate_next = True

    def reset(self, camera: str | None = None) -> None:
        """Drop the state of all tracks, or of those of one camera."""
        if camera is None:
            self._cameras.clear()
        else:
            self._cameras.pop(camera, None)

    def change(self, settings: AffectSettings) -> None:
        """Apply new values of the live settings (smile scale, stride); other settings are ignored."""
        self._settings = settings
        self._stream.stride_s = settings.stride_s
        for camera in self._cameras.values():
            camera.baseline.seconds = settings.neutral_seconds
            camera.baseline.personal = settings.smile_scale == 'personal'

    def _warm_up(self) -> None:
        blank = np.zeros((self.crops.size, self.crops.size, 3), np.uint8)
        end = time.monotonic() + _WARM_UP_S
        for faces in WARM_UP_FACES[self._device.type]:
            if time.monotonic() > end:
                break
            self.step(
                TrackedFrame(0, '', 1, 1, tuple(Track(i, Box(0, 0, 1, 1), 1.0, 0.0, blank) for i in range(faces)))
            )
        self.reset()

    @torch.inference_mode()
    def _select_backend(self, name: str, weights_hash: str, threads: int) -> Backend:
        """Backend of the settings, tried on crops of noise, which cost as much time as faces."""
        # Not by numpy.random, whose import takes a tenth of a second of each start.
        shape, seeded = (TRIAL_FACES, self.crops.size, self.crops.size, 3), torch.Generator().manual_seed(0)
        noise = torch.randint(0, 256, shape, generator=seeded, dtype=torch.uint8)
        x = self._model.preprocess(noise.to(self._device))
        if isinstance(self._model, SequenceModel):
            x = self._model.with_sound(x, None)
            if not self._model.inputs.side and name in ('auto', 'fixed'):
                log.info('Backend %s: torch, as %s reads no images', name, self._name)
                name = 'torch'
        return selection.select_backend(name, self._model, x, weights_hash, threads)

    def _predict(self, frames: Mapping[str, TrackedFrame], embeddings: Tensor | None = None) -> dict[str, AffectFrame]:
        """Affect of one frame per camera, from the embeddings (N, E) of their faces if known; updates all tracks."""
        self.crops.check(frames.values())
        tracks = [track for tracked in frames.values() for track in tracked.tracks]
        predictions = Predictions.empty(len(tracks), len(self.expression_labels), len(self.reaction_labels))
        rows = [row for row, track in enumerate(tracks) if track.crop.size > 0]
        if rows:
            batch = [(self._camera(name), tracked) for name, tracked in frames.items()]
            predictions.fill(rows, self._stream.outputs(batch, embeddings))
        result, start = {}, 0
        for name, tracked in frames.items():
            end = start + len(tracked.tracks)
            result[name] = self._affect_frame(self._camera(name), tracked, predictions.part(start, end))
            start = end
        return result

    def _camera(self, name: str) -> CameraState:
        if name not in self._cameras:
            initial = self._model.initial_state if isinstance(self._model, TemporalModel) else _no_state
            baseline = NeutralBaseline(self._settings.neutral_seconds, self._settings.smile_scale == 'personal')
            audio = None if self.audio is None else AudioBuffer(self.audio)
            self._cameras[name] = CameraState(RecurrentStates(initial, USUAL_GAP_S), baseline, audio)
        return self._cameras[name]

    def _affect_frame(self, camera: CameraState, tracked: TrackedFrame, predictions: Predictions) -> AffectFrame:
        evidence = camera.frame_counter.update(tracked)
        predictions.drop_below(self._min_confidence)
        self._subtract_neutral(camera, tracked, predictions)
        return AffectFrame(
            stamp_ns=tracked.stamp_ns,
            frame_id=tracked.frame_id,
            model=self.model_name,
            faces=tuple(predictions.affect_of(i, track, evidence[i]) for i, track in enumerate(tracked.tracks)),
            expression_labels=self.expression_labels,
            reaction_labels=self.reaction_labels,
        )

    def _subtract_neutral(self, camera: CameraState, tracked: TrackedFrame, predictions: Predictions) -> None:
        """Replace intensity and levels by those above each person's neutral face, where it is known."""
        track_ids = [track.track_id for track in tracked.tracks]
        if camera.calibrate_next:
            camera.baseline.begin(track_ids, tracked.stamp_ns)
            camera.calibrate_next = False
        camera.baseline.keep_only(camera.frame_counter.track_ids)
        for row, track_id in enumerate(track_ids):
            raw = float(predictions.intensity[row])
            adjusted = camera.baseline.adjusted(track_id, raw, tracked.stamp_ns)
            if adjusted != raw and np.isfinite(raw):
                predictions.intensity[row] = adjusted
                predictions.levels[row] = self._model.levels_of(torch.tensor([adjusted])).cpu().numpy()[0]


def _no_state(faces: int) -> Tensor:
    return torch.empty(faces, 0)


def reproducible_settings(settings: AffectSettings) -> AffectSettings:
    """Settings with backend `fixed` in place of `auto`, whose choice depends on timing, for identical bytes every run.

    Identical on one machine: another CPU or other versions of the libraries differ in the sixth digit.
    """
    return settings.changed(backend='fixed') if settings.backend == 'auto' else settings
