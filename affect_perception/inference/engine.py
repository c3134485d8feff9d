"""Inference engine: tracked faces in, affect out; all faces of all cameras in one batch of the CNN. Needs no ROS.

engine = AffectEngine(AffectSettings(model='smile_va'))
affect = engine.step(tracked)  # TrackedFrame -> AffectFrame
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from affect_perception.core.neutral_baseline import NeutralBaseline
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.inference.backends import selection
from affect_perception.inference.backends.backend import Backend
from affect_perception.inference.backends.onnx_export import file_sha256
from affect_perception.inference.backends.pytorch import BATCH_SIZES, MemoryBoundBackend
from affect_perception.inference.crop_encoder import CropEncoder
from affect_perception.inference.predictions import Predictions
from affect_perception.inference.track_state import CameraState, RecurrentStates
from affect_perception.models import checkpoint
from affect_perception.models.face_model import FaceModel, FaceOutput, TemporalModel
from affect_perception.models.smile_va import USUAL_GAP_S
from affect_perception.runtime.devices import chosen_device, default_threads
from affect_perception.settings import AffectSettings
from affect_perception.types import AffectFrame, Box, Track, TrackedFrame

log = logging.getLogger(__name__)

# Faces that backends are compared on: with one face every backend keeps up with the camera, so the fastest with several
# is wanted; MNN is with 4, 8 and 16 (benchmarks/results/backends.json).
TRIAL_FACES = 4
WARM_UP_FACES = {'cpu': (1, 2, 4, 8), 'cuda': BATCH_SIZES}  # the first call with each batch size is slow


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
        self._crop_size = loaded.crop_size
        self._min_confidence = loaded.min_confidence
        self._settings = settings
        self._cameras: dict[str, CameraState] = {}
        try:
            self._model: FaceModel = loaded.model.fold().to(self._device)
            self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
            self._backend = self._select_backend(settings.backend, file_sha256(loaded.path), threads)
            if self._device.type == 'cuda':
                self._backend = MemoryBoundBackend(self._backend)
            else:
                torch.set_num_threads(selection.torch_threads(self.backend, threads))
            self._encoder = CropEncoder(self._model, self._backend, self._device)
            self._warm_up()
        except (torch.cuda.OutOfMemoryError, BadInputError):
            raise ConfigError(
                f'{self._device} has no memory left for model {self._name}; close what else runs on it, or choose cpu'
            ) from None
        log.info('Model %s on %s, backend %s, %d CPU threads', self._name, self._device, self.backend, threads)

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
        """Names of Affect.reaction_intensities; empty: no network here has such a head yet."""
        return ()

    def step(self, tracked: TrackedFrame) -> AffectFrame:
        """Predict the affect of every track of a frame, in their order; stamp and frame_id are the frame's.

        A face without a crop, with output that is not finite, or with a confidence below the checkpoint's threshold has
        NaN probabilities, hence level UNKNOWN.
        """
        return self.steps({'': tracked})['']

    @torch.inference_mode()
    def steps(self, frames: Mapping[str, TrackedFrame]) -> dict[str, AffectFrame]:
        """Run `step` on one frame per camera (name → frame), with all faces in one batch.

        Track ids and stamps of each camera are its own.
        """
        return self._predict(frames, self._encode(frames.values()))

    @torch.inference_mode()
    def sequence(self, frames: Sequence[TrackedFrame]) -> list[AffectFrame]:
        """Run `step` on consecutive frames of one camera, with the faces of all frames in one batch of the CNN.

        For recordings; live, waiting for frames would add latency.
        """
        embeddings = self._encode(frames)
        parts = torch.split(embeddings, [len(_track_ids(tracked)) for tracked in frames])
        return [self._predict({'': tracked}, part)[''] for tracked, part in zip(frames, parts, strict=True)]

    def calibrate_neutral(self) -> None:
        """Take the tracks of the next frame of each camera as neutral for the next `neutral_seconds`."""
        if not self._cameras:
            self._camera('')
        for camera in self._cameras.values():
            camera.calibrate_next = True

    def reset(self) -> None:
        """Drop the state of all tracks."""
        self._cameras.clear()

    def change(self, settings: AffectSettings) -> None:
        """Apply new values of the live settings (smile scale); other settings are ignored."""
        self._settings = settings
        for camera in self._cameras.values():
            camera.baseline.seconds = settings.neutral_seconds
            camera.baseline.personal = settings.smile_scale == 'personal'

    def _warm_up(self) -> None:
        blank = np.zeros((self._crop_size, self._crop_size, 3), np.uint8)
        for faces in WARM_UP_FACES[self._device.type]:
            self.step(
                TrackedFrame(0, '', 1, 1, tuple(Track(i, Box(0, 0, 1, 1), 1.0, 0.0, blank) for i in range(faces)))
            )
        self.reset()

    @torch.inference_mode()
    def _select_backend(self, name: str, weights_hash: str, threads: int) -> Backend:
        """Backend of the settings, tried on crops of noise, which cost as much time as faces."""
        noise = np.random.default_rng(0).integers(0, 256, (TRIAL_FACES, self._crop_size, self._crop_size, 3), np.uint8)
        x = self._model.preprocess(torch.from_numpy(noise).to(self._device))
        return selection.select_backend(name, self._model, x, weights_hash, threads)

    def _encode(self, frames: Iterable[TrackedFrame]) -> Tensor:
        """Embeddings (N, E) of all faces that have a crop, in the order of the frames."""
        return self._encoder.encode([track.crop for tracked in frames for track in tracked.tracks if _has_crop(track)])

    def _predict(self, frames: Mapping[str, TrackedFrame], embeddings: Tensor) -> dict[str, AffectFrame]:
        """Affect of one frame per camera from the embeddings (N, E) of their faces; updates the state of all tracks."""
        tracks = [track for tracked in frames.values() for track in tracked.tracks]
        predictions = Predictions.empty(len(tracks), len(self.expression_labels))
        rows = [row for row, track in enumerate(tracks) if _has_crop(track)]
        if rows:
            predictions.fill(rows, self._outputs(frames, embeddings))
        result, start = {}, 0
        for name, tracked in frames.items():
            end = start + len(tracked.tracks)
            result[name] = self._affect_frame(self._camera(name), tracked, predictions.part(start, end))
            start = end
        return result

    def _outputs(self, frames: Mapping[str, TrackedFrame], embeddings: Tensor) -> FaceOutput:
        """Output (N rows) of the heads; of temporal networks with recurrent layers, whose new states are stored."""
        if not isinstance(self._model, TemporalModel):
            output: FaceOutput = self._model.head(embeddings)
            return output
        stored = [self._camera(name).recurrent.get(_track_ids(t), t.stamp_ns) for name, t in frames.items()]
        gaps, states = (torch.cat(column) for column in zip(*stored, strict=True))
        output, states = self._model.advance(embeddings, gaps, states)
        parts = torch.split(states, [len(gaps) for gaps, _ in stored])
        for (name, tracked), part in zip(frames.items(), parts, strict=True):
            self._camera(name).recurrent.put(_track_ids(tracked), part, tracked.stamp_ns)
        return output

    def _camera(self, name: str) -> CameraState:
        if name not in self._cameras:
            initial = self._model.initial_state if isinstance(self._model, TemporalModel) else _no_state
            baseline = NeutralBaseline(self._settings.neutral_seconds, self._settings.smile_scale == 'personal')
            self._cameras[name] = CameraState(RecurrentStates(initial, USUAL_GAP_S), baseline)
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


def _has_crop(track: Track) -> bool:
    return track.crop.size > 0


def _track_ids(tracked: TrackedFrame) -> list[int]:
    """Ids of the tracks that have a crop."""
    return [track.track_id for track in tracked.tracks if _has_crop(track)]


def _no_state(faces: int) -> Tensor:
    return torch.empty(faces, 0)


def reproducible_settings(settings: AffectSettings) -> AffectSettings:
    """Settings with backend `fixed` in place of `auto`, whose choice depends on timing, for identical bytes every run.

    Identical on one machine: another CPU or other versions of the libraries differ in the sixth digit.
    """
    return settings.changed(backend='fixed') if settings.backend == 'auto' else settings
