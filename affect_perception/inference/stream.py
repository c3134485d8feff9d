"""Network over the tracks of all cameras: crops, sound and the state of each track to outputs, all faces in one batch.

Three kinds of network (`models/face_model.py`, `models/clip_model.py`): single frames (`head`), layers over time
(`advance`), and clips, whose windows are read every `stride_s` and whose frames pass the CNN only where a slot of the
window needs them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from affect_perception.inference.audio_input import AudioNeed, batch
from affect_perception.inference.crop_encoder import CropEncoder
from affect_perception.inference.track_state import CameraState
from affect_perception.models.clip_model import ClipModel
from affect_perception.models.face_model import FaceModel, FaceOutput, TemporalModel
from affect_perception.models.sequence_model import SequenceModel, SequenceOutput
from affect_perception.types import Track, TrackedFrame

Batch = Sequence[tuple[CameraState, TrackedFrame]]  # a frame of each camera


class TrackStream:
    """Outputs of `model` for the faces of frames; the state of their tracks is in the CameraStates given.

    `audio`: what the network takes of sound, None for none. `stride_s` may be replaced at any time.
    """

    def __init__(self, model: FaceModel, encoder: CropEncoder, audio: AudioNeed | None, stride_s: float) -> None:
        self._model, self._encoder, self._audio = model, encoder, audio
        self.stride_s = stride_s

    @property
    def can_encode_ahead(self) -> bool:
        """Whether `encode` may take frames before the outputs of earlier ones exist, for larger batches."""
        model = self._model
        hears_in_cnn = isinstance(model, SequenceModel) and model.memory == 'frame' and model.inputs.audio > 0
        return not hears_in_cnn and (not isinstance(model, ClipModel) or model.selects)

    def encode(self, frames: Sequence[TrackedFrame], audio: Tensor | None = None) -> Tensor:
        """Embeddings (N, E) of all faces that have a crop, in the order of the frames; `audio` (N, A) of each."""
        return self._encoder.encode([track.crop for frame in frames for track in with_crops(frame)], audio)

    def outputs(self, frames: Batch, embeddings: Tensor | None = None) -> FaceOutput:
        """Output (N rows) for all faces that have a crop, at least one; new states are stored.

        `embeddings` (N, E): those of `encode`, if they are known.
        """
        model, tracked = self._model, [frame for _, frame in frames]
        if not isinstance(model, TemporalModel):
            alone: FaceOutput = model.head(self.encode(tracked) if embeddings is None else embeddings)
            return alone
        sound = self._sound(frames)
        stored = [camera.recurrent.get(track_ids(frame), frame.stamp_ns) for camera, frame in frames]
        gaps, states = (torch.cat(column) for column in zip(*stored, strict=True))
        output: FaceOutput
        if isinstance(model, ClipModel):
            output, states = self._clips(model, frames, embeddings, gaps, states, sound)
        elif sound is None or model.memory == 'frame':
            embeddings = self.encode(tracked, sound) if embeddings is None else embeddings
            output, states = model.advance(embeddings, gaps, states)
        else:
            embeddings = self.encode(tracked) if embeddings is None else embeddings
            output, states = model.advance(embeddings, gaps, states, audio=sound)  # type: ignore[call-arg]
        for (camera, frame), part in zip(frames, torch.split(states, [len(g) for g, _ in stored]), strict=True):
            camera.recurrent.put(track_ids(frame), part, frame.stamp_ns)
        return output

    def _clips(
        self,
        model: ClipModel,
        frames: Batch,
        embeddings: Tensor | None,
        gaps: Tensor,
        states: Tensor,
        sound: Tensor | None,
    ) -> tuple[SequenceOutput, Tensor]:
        """Outputs of clip windows, those of tracks that are not due as they were, and new states."""
        wanted = model.wanted(gaps, states)
        changes = wanted.tolist()
        if embeddings is None:
            crops = [track.crop for _, frame in frames for track in with_crops(frame)]
            chosen = [crop for crop, want in zip(crops, changes, strict=True) if want]
            embeddings = states.new_zeros(len(crops), model.embedding_size)
            if chosen:
                embeddings[wanted] = self._encoder.encode(chosen)
        states = model.push(embeddings, gaps, states)
        overdue = [due for camera, frame in frames for due in camera.readings.overdue(frame, self.stride_s)]
        due = [late and (not known or new) for (known, late), new in zip(overdue, changes, strict=True)]
        rows = torch.tensor([row for row, now in enumerate(due) if now], dtype=torch.long, device=gaps.device)
        fresh: SequenceOutput | None = None
        if len(rows):
            fresh = model.read(states[rows], embeddings[rows], None if sound is None else sound[rows])
        return _merged(frames, due, fresh), states

    def _sound(self, frames: Batch) -> Tensor | None:
        """Sound of each face that has a crop, NaN where there is none; None without any."""
        if self._audio is None:
            return None
        sounds = []
        for camera, frame in frames:
            heard = camera.sound(frame.stamp_ns)
            sounds += [heard] * len(track_ids(frame))
        array = batch(sounds, self._audio)
        return None if array is None else torch.from_numpy(array).to(self._encoder.device)


def _merged(frames: Batch, due: list[bool], fresh: SequenceOutput | None) -> SequenceOutput:
    """Outputs of all faces: the next row of `fresh` for each that is due, the last reading of the others."""
    new = zip(*(part.float().cpu().numpy() for part in fresh), strict=True) if fresh is not None else iter(())
    rows, now = [], iter(due)
    for camera, frame in frames:
        for track_id in track_ids(frame):
            if next(now):
                camera.readings.put(track_id, next(new), frame.stamp_ns)
            rows.append(camera.readings.get(track_id))
    return SequenceOutput(*(torch.from_numpy(np.stack(parts)) for parts in zip(*rows, strict=True)))


def with_crops(frame: TrackedFrame) -> list[Track]:
    """Tracks of a frame that have a crop."""
    return [track for track in frame.tracks if track.crop.size > 0]


def track_ids(frame: TrackedFrame) -> list[int]:
    """Ids of the tracks that have a crop."""
    return [track.track_id for track in with_crops(frame)]
