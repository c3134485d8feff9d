"""From tracked faces to affect: all faces of an image in one batch, as fast as the device allows.

engine = AffectEngine(AffectSettings(model='smile_va'))
affect = engine.step(tracked)  # TrackedFrame -> AffectFrame; needs no ROS
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from affect_perception.core.neutral_baseline import NeutralBaseline
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.inference.backends import selection
from affect_perception.inference.backends.onnx_export import hash_of
from affect_perception.inference.backends.pytorch import BUCKETS, Frugal
from affect_perception.inference.predictions import Reading
from affect_perception.inference.track_state import Camera, TrackMemory
from affect_perception.models import checkpoint
from affect_perception.models.smile_va import USUAL_GAP_S
from affect_perception.runtime.devices import chosen_device, default_threads
from affect_perception.settings import AffectSettings
from affect_perception.types import AffectFrame, Box, Track, TrackedFrame

log = logging.getLogger(__name__)

MAX_BATCH = {'cpu': 64, 'cuda': 256}  # faces; more are read in several batches, which bounds the memory
# Faces that backends are compared on. With one face every backend keeps up, so the fastest with several is wanted; what
# is fastest with 4 was so with 8 and 16 too (here MNN; with one face on one thread OpenVINO is 0.5 ms ahead).
TRIAL = 4
WARM_UP = {'cpu': (1, 2, 4, 8), 'cuda': BUCKETS}  # batch sizes: the first run of each size is slow


class AffectEngine:
    """Reads smiles with the checkpoint, device and threads of `settings`; ConfigError at once where one cannot be used.

    `step` takes frames of any order and any number of faces; it is not safe to call from two threads.
    """

    def __init__(self, settings: AffectSettings):
        self._device = chosen_device(settings.device)
        threads = settings.threads or default_threads()
        if self._device.type == 'cpu':
            torch.set_num_threads(threads)
        loaded = checkpoint.load(settings.model)
        self.header = loaded.header
        self._name = loaded.name
        self._crop_size = loaded.crop_size
        self._temporal = hasattr(loaded.model, 'over_time')
        self._settings = settings
        self._cameras: dict[str, Camera] = {}
        try:
            self._model = loaded.model.fold().to(self._device, memory_format=torch.channels_last)
            self._backend = self._chosen_backend(settings, loaded.path)
            if self._device.type == 'cuda':
                self._backend = Frugal(self._backend)
            else:
                torch.set_num_threads(selection.pytorch_threads(self.backend, threads))
            self._warm_up()
        except (torch.cuda.OutOfMemoryError, BadInputError):
            raise ConfigError(
                f'{self._device} has no memory left for model {self._name}; close what else runs on it, or choose cpu'
            ) from None
        log.info('model %s on %s by %s, %d CPU threads', self._name, self._device, self.backend, threads)

    def _warm_up(self) -> None:
        for faces in WARM_UP[self._device.type]:
            blank = np.zeros((self._crop_size, self._crop_size, 3), np.uint8)
            tracks = tuple(Track(i, Box(0, 0, 1, 1), 1.0, 0.0, blank) for i in range(faces))
            self.step(TrackedFrame(0, '', 1, 1, tracks))
        self._cameras.clear()

    @property
    def model_name(self) -> str:
        return self._name

    @property
    def backend(self) -> str:
        """What runs the CNN, such as `torch` or `openvino`; never `auto`."""
        return self._backend.name

    @property
    def device(self) -> str:
        """The device in use, such as `cpu` or `cuda:0`; never `auto`."""
        return str(self._device)

    @property
    def expression_labels(self) -> tuple[str, ...]:
        """Names of Affect.expression_probabilities; empty for networks without such a head."""
        return getattr(self._model, 'expressions', ())

    @property
    def reaction_labels(self) -> tuple[str, ...]:
        """Names of Affect.reaction_intensities; empty: no network here has such a head yet."""
        return ()

    def step(self, tracked: TrackedFrame) -> AffectFrame:
        """What the network says of every face of `tracked`, in the same order, with the same stamp and frame_id.

        A face that the network cannot read (its output is no number) has NaN probabilities, so its level is UNKNOWN.
        """
        return self.steps({'': tracked})['']

    @torch.inference_mode()
    def steps(self, frames: Mapping[str, TrackedFrame]) -> dict[str, AffectFrame]:
        """The same for a frame each of several cameras, by name: all their faces in one batch.

        Track ids and stamps of each camera are its own.
        """
        return self._read(frames, self._embeddings(frames.values()))

    @torch.inference_mode()
    def sequence(self, frames: Sequence[TrackedFrame]) -> list[AffectFrame]:
        """`step` of several frames one after the other, with the faces of all of them in one batch of the CNN.

        For recordings: live, nobody waits for a frame to come.
        """
        embeddings = self._embeddings(frames)
        parts = embeddings.split([len(_with_crop(tracked)) for tracked in frames])
        return [self._read({'': tracked}, part)[''] for tracked, part in zip(frames, parts, strict=True)]

    def _embeddings(self, frames: Iterable[TrackedFrame]) -> Tensor:
        """(N, E) of all faces that have a crop, in the order of the frames."""
        crops = [tracked.tracks[i].crop for tracked in frames for i in _with_crop(tracked)]
        most = MAX_BATCH[self._device.type]
        parts = [self._embedded(self._input(crops[start : start + most])) for start in range(0, len(crops), most)]
        return torch.cat(parts) if parts else torch.empty(0, 0)

    def _read(self, frames: Mapping[str, TrackedFrame], embeddings: Tensor) -> dict[str, AffectFrame]:
        """What the heads, and the recurrent part where there is one, make of embeddings (N, E) of one frame each."""
        cameras = {name: self._camera(name) for name in frames}
        seen = {name: cameras[name].evidence.count(tracked) for name, tracked in frames.items()}
        readings = {name: Reading.nothing(len(t.tracks), len(self.expression_labels)) for name, t in frames.items()}
        places = [(name, i) for name, tracked in frames.items() for i in _with_crop(tracked)]
        if places and self._temporal:
            output, states = self._model.advance(embeddings, *self._recalled(frames, cameras, places))
        elif places:
            output, states = self._model.head(embeddings), None
        for name in frames if places else ():
            rows = [row for row, (camera, _) in enumerate(places) if camera == name]
            if rows:
                tracks = [places[row][1] for row in rows]
                readings[name].put(tracks, type(output)(*(part[rows] for part in output)))
                if states is not None:
                    ids = [frames[name].tracks[i].track_id for i in tracks]
                    cameras[name].memory.keep(ids, states[rows], frames[name].stamp_ns)
        return {name: self._answer(cameras[name], t, readings[name], seen[name]) for name, t in frames.items()}

    def calibrate_neutral(self) -> None:
        """Take the faces of the next `neutral_seconds` as neutral, of everyone in the next frame of each camera."""
        if not self._cameras:
            self._camera('')
        for camera in self._cameras.values():
            camera.begin_baseline = True

    def reset(self) -> None:
        """Forget everybody: what comes next are strangers."""
        self._cameras.clear()

    def change(self, settings: AffectSettings) -> None:
        """Settings that may change while running: those of the neutral baseline."""
        self._settings = settings
        for camera in self._cameras.values():
            camera.baseline.seconds, camera.baseline.always = settings.neutral_seconds, settings.neutral_baseline

    def _camera(self, name: str) -> Camera:
        if name not in self._cameras:
            memory = TrackMemory(self._model.initial_state, USUAL_GAP_S) if self._temporal else None
            baseline = NeutralBaseline(self._settings.neutral_seconds, self._settings.neutral_baseline)
            self._cameras[name] = Camera(memory, baseline)
        return self._cameras[name]

    def _recalled(
        self, frames: Mapping[str, TrackedFrame], cameras: dict[str, Camera], places: list[tuple[str, int]]
    ) -> tuple[Tensor, Tensor]:
        """Gaps (N,) and states (N, ...) of the tracks at `places`, which are in the order of the frames."""
        parts = []
        for name, tracked in frames.items():
            ids = [tracked.tracks[i].track_id for camera, i in places if camera == name]
            parts.append(cameras[name].memory.recall(ids, tracked.stamp_ns))
        gaps, states = zip(*parts, strict=True)
        return torch.cat(gaps), torch.cat(states)

    def _answer(self, camera: Camera, tracked: TrackedFrame, reading: Reading, seen: list[int]) -> AffectFrame:
        self._subtract_neutral(camera, reading, [track.track_id for track in tracked.tracks], tracked.stamp_ns)
        return AffectFrame(
            stamp_ns=tracked.stamp_ns,
            frame_id=tracked.frame_id,
            model=self.model_name,
            faces=tuple(reading.of(i, track, seen[i]) for i, track in enumerate(tracked.tracks)),
            expression_labels=self.expression_labels,
            reaction_labels=self.reaction_labels,
        )

    def _subtract_neutral(self, camera: Camera, reading: Reading, tracks: list[int], stamp_ns: int) -> None:
        """Intensity and levels above each person's own neutral face, where it is known."""
        if camera.begin_baseline:
            camera.baseline.begin(tracks, stamp_ns)
            camera.begin_baseline = False
        camera.baseline.keep_only(camera.evidence.tracks)
        for place, track in enumerate(tracks):
            read = float(reading.intensity[place])
            adjusted = camera.baseline.adjusted(track, read, stamp_ns)
            if adjusted != read and np.isfinite(read):
                reading.intensity[place] = adjusted
                reading.levels[place] = self._model.levels_of(torch.tensor([adjusted])).cpu().numpy()[0]

    def _input(self, crops: list[np.ndarray]) -> Tensor:
        """One network input for all crops; crops of one shape are prepared together, in one go where all are alike."""
        by_shape: dict[tuple[int, ...], list[int]] = {}
        for index, crop in enumerate(crops):
            by_shape.setdefault(crop.shape, []).append(index)
        parts = [
            self._model.preprocess(torch.from_numpy(np.stack([crops[i] for i in group])).to(self._device))
            for group in by_shape.values()
        ]
        if len(parts) == 1:
            return parts[0]
        order = torch.tensor([index for group in by_shape.values() for index in group], device=self._device)
        return torch.cat(parts)[order.argsort()]

    def _embedded(self, x: Tensor) -> Tensor:
        """Embeddings; NaN of faces with pixels that are no numbers, which some backends take for 0."""
        fine = torch.isfinite(x).flatten(1).all(1)
        return self._backend(x).masked_fill(~fine[:, None], np.nan)

    @torch.inference_mode()
    def _chosen_backend(self, settings: AffectSettings, path: Path) -> selection.Backend:
        """The backend of the settings, tried on crops of noise, which are as much work as faces."""
        noise = np.random.default_rng(0).integers(0, 256, (TRIAL, self._crop_size, self._crop_size, 3), np.uint8)
        x = self._model.preprocess(torch.from_numpy(noise).to(self._device))

        def answer(embeddings: Tensor) -> Tensor:
            if not self._temporal:
                output = self._model.head(embeddings)
            else:
                gaps = embeddings.new_full((len(embeddings),), USUAL_GAP_S)
                output, _ = self._model.advance(embeddings, gaps, self._model.initial_state(len(embeddings)))
            return torch.cat([output.levels, output.intensity[:, None]], 1)

        threads = torch.get_num_threads()
        return selection.choose(settings.backend, self._model, x, answer, hash_of(path), threads)


def _with_crop(tracked: TrackedFrame) -> list[int]:
    """Which of its tracks can be read."""
    return [i for i, track in enumerate(tracked.tracks) if track.crop.size]


def reproducible(settings: AffectSettings) -> AffectSettings:
    """The settings for work that must give the same bytes every time: no backend that is chosen by the clock.

    The same on one machine, that is: another CPU or other versions of the libraries differ in the sixth digit.
    """
    return settings.changed(backend='fixed') if settings.backend == 'auto' else settings
