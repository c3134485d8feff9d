"""Multi-face tracker: a detector finds faces now and then, optical flow tracks them in between, ids are stable.

A detection result may be of the current frame, or of an earlier one because the detector runs asynchronously. A late
result is compared with the faces as they were then and carried to the current frame.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter

import numpy as np

from affect_perception.core.boxes import inside_share
from affect_perception.core.tracking.detection_update import DetectionUpdate
from affect_perception.core.tracking.face_state import FaceState
from affect_perception.core.tracking.flow_image import FlowImage
from affect_perception.core.tracking.frame_detections import FrameDetections
from affect_perception.core.tracking.identities import IdentityRegistry
from affect_perception.core.tracking.motion_update import update_motion
from affect_perception.core.tracking.occlusion import touching
from affect_perception.core.tracking.snapshots import FaceSnapshot, Snapshot, SnapshotHistory
from affect_perception.core.tracking.track_output import Looked, track_output
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionRequest, DetectionResult, Frame, TrackedFrame

_CUT_SIMILARITY = 0.6  # NCC of successive frames below which there is a scene cut
_OPEN_ID_EVERY = 3  # frames between two detections while the identity of a face is open
_EMBED_INSIDE = 0.95  # share of a face inside the image from which an embedding is worthwhile
_MAX_REFRESHED = 3  # known faces embedded again in one run of the detector, at 5 ms each
_LEFT_S = 0.3  # a face that went out of the image is deleted after this time
_MIN_FACE_PX = 8.0
_MAX_TIMEOUT_S = 10.0
_LATE_FACTOR = 2.0  # a detection may take so much longer than the last one
_MAX_UNLOOKED_S = 3.0  # for which a face that flow lost is published while the detector has not looked since


class FaceTracker:
    """Multi-face tracker: frames and occasional detections in, tracks with stable ids out. In one thread:

        request = tracker.request(frame)
        tracked = tracker.step(frame, analyzer.analyze(request) if request else None)

    With an asynchronous detector, call `request` only while it is free, submit the request, and give the result to any
    later `step`. `counts` holds the number of restarts by reason and of late results, used and unusable.

    With embeddings in the results, a person who returns within `reid_memory_s` gets the old id. Embeddings are kept of
    the people in view and, for that time, of those who left; also over a scene cut, but not when stamps go backwards.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._registry = IdentityRegistry()
        self._keys = itertools.count(1)
        self._index = 0  # of the next frame
        self._prepared: tuple[Frame, FlowImage] | None = None  # kept from `request` to `step`
        self._reason: tuple[FlowImage, str] | None = None  # of the image to step, see `_restart_reason`
        self._requested: Frame | None = None  # given to the detector and not yet stepped
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Delete all tracks and all identities; the next frame is the first one. Ids are never used again."""
        self._registry.clear()
        self._clear_tracks()

    @property
    def departed_ids(self) -> tuple[int, ...]:
        """Ids of the people who left and whose embeddings are still kept."""
        return self._registry.departed_ids

    def _clear_tracks(self) -> None:
        self._faces: list[FaceState] = []
        self._history = SnapshotHistory()
        self._last: FlowImage | None = None
        self._requested_index: int | None = None  # of the last frame given to the detector
        self._requested_ns = 0  # its stamp
        self._result_ns: int | None = None  # stamp of the newest detection result
        self._result_late_s = 0.0  # its age when it came
        self._timeout_s = self._settings.max_unseen_s

    def change(self, settings: TrackerSettings) -> None:
        """Use other settings from the next frame on; the tracks stay."""
        self._settings = settings

    def request(self, frame: Frame) -> DetectionRequest | None:
        """Detection request for `frame`, the next to step, or None where no detection is due.

        Due are the first frame, every `detect_every`-th, the first that is `detect_period_s` later than the last one
        requested, and the first after a scene cut; sooner while an id is open.
        Call only while the detector is free: a request counts as made once `frame` is stepped.
        """
        image = self._flow_image(frame)
        restarts = bool(self._restart_reason(image))
        self._requested = frame if restarts or self._detection_due(image.stamp_ns) else None
        if self._requested is None:
            return None
        return DetectionRequest(frame) if restarts else DetectionRequest(frame, *self._known_faces(image))

    def is_blind(self, frame: Frame, result: DetectionResult | None = None) -> bool:
        """Whether nothing can be known of `frame`, the next to step, without a detection other than `result`.

        No detection has been applied since the start or the last restart, or `frame` is itself a restart.
        """
        if self._restart_reason(self._flow_image(frame)):
            return result is None or result.stamp_ns != frame.stamp_ns
        usable = result is not None and (result.stamp_ns == frame.stamp_ns or result.stamp_ns in self._history)
        return self._result_ns is None and not usable

    def step(self, frame: Frame, result: DetectionResult | None = None) -> TrackedFrame:
        """Track all faces to `frame`. `result`: detections of this frame or of an earlier one that was requested."""
        image, self._prepared = self._flow_image(frame), None
        self._restart_if_needed(image)
        self._reason = None
        if self._requested is frame:
            self._requested_index, self._requested_ns = self._index, frame.stamp_ns
            if result is None or result.stamp_ns != frame.stamp_ns:
                self._history.request(frame.stamp_ns)
        self._requested = None
        if self._last is not None and self._faces:
            update_motion(self._faces, self._last, image)
        if result is not None:
            self._update_from_result(frame, image, result)
        self._delete_lost(image)
        self._registry.assign_overdue(self._faces, image.stamp_ns)
        self._registry.expire(image.stamp_ns, self._settings.reid_memory_s)
        self._history.add(self._snapshot(frame, image))
        self._last, self._index = image, self._index + 1
        looked = Looked(self._looked_ns(frame.stamp_ns), self._result_ns, self._hidden_s(frame.stamp_ns))
        tracks = track_output(self._faces, frame, self._settings, self._timeout_s, looked)
        return TrackedFrame(frame.stamp_ns, frame.frame_id, frame.width, frame.height, tracks)

    def _flow_image(self, frame: Frame) -> FlowImage:
        """Flow image of `frame`, computed once for `request` and `step`."""
        if self._prepared is None or self._prepared[0] is not frame:
            self._prepared = frame, FlowImage.of(frame, self._settings.flow_width)
        return self._prepared[1]

    # Requests

    def _detection_due(self, stamp_ns: int) -> bool:
        if self._requested_index is None:
            return True
        every, since = self._settings.detect_every, self._index - self._requested_index
        if stamp_ns - self._requested_ns >= self._settings.detect_period_s * 1e9:
            return True
        return since >= (min(every, _OPEN_ID_EVERY) if any(f.identity is None for f in self._faces) else every)

    def _known_faces(self, image: FlowImage) -> tuple[np.ndarray, np.ndarray]:
        """Predicted boxes (N, 4) of the tracked faces in `image`, and (N,) bool which of them to embed."""
        if self._last is None:
            return np.zeros((0, 4)), np.zeros(0, bool)
        dt_s = (image.stamp_ns - self._last.stamp_ns) * 1e-9
        faces = [f for f in self._faces if f.tracked]
        boxes = np.array([f.predicted_box(dt_s) for f in faces]).reshape(-1, 4)
        fit = (inside_share(boxes, image.width, image.height) > _EMBED_INSIDE) & ~touching(boxes)
        priority = np.where(fit, [f.embedding_priority(image.stamp_ns) for f in faces], 0.0)
        embed = np.array([f.identity is None for f in faces], bool)
        refreshed = np.argsort(np.where(embed, 0, -priority), kind='stable')[:_MAX_REFRESHED]
        embed[[i for i in refreshed if priority[i] > 0]] = True
        return boxes, embed

    # Restarts

    def _restart_reason(self, image: FlowImage) -> str:
        """Reason why no past state is valid for this image, or an empty string. Computed once for an image."""
        if self._reason is None or self._reason[0] is not image:
            self._reason = image, self._compared(image)
        return self._reason[1]

    def _compared(self, image: FlowImage) -> str:
        last = self._last
        if last is None:
            return ''
        if image.stamp_ns < last.stamp_ns:
            return 'stamp_backwards'
        if (image.width, image.height, image.downscale) != (last.width, last.height, last.downscale):
            return 'size_changed'
        return 'scene_cut' if not (image.blank or last.blank) and image.similarity(last) < _CUT_SIMILARITY else ''

    def _restart_if_needed(self, image: FlowImage) -> None:
        """Delete all tracks where the image has no connection to the last one; identities survive a scene cut."""
        reason, last = self._restart_reason(image), self._last
        if not reason or last is None:
            return
        self.counts[reason] += 1
        if reason == 'stamp_backwards':  # another recording, or the same one again
            self.reset()
            return
        for face in self._faces:
            self._registry.depart(face, last.stamp_ns)
        self._clear_tracks()

    # Detections

    def _snapshot(self, frame: Frame, image: FlowImage) -> Snapshot:
        faces = {f.key: FaceSnapshot(f.box, f.position_uncertainty(image.stamp_ns), f.roll or 0.0) for f in self._faces}
        return Snapshot(frame, image, faces)

    def _update_from_result(self, frame: Frame, image: FlowImage, result: DetectionResult) -> None:
        """Apply a detection result to faces and identities; a late one without its snapshot is counted and dropped."""
        if result.stamp_ns == image.stamp_ns:
            snapshot: Snapshot | None = self._snapshot(frame, image)
            self._requested_index, self._requested_ns = self._index, frame.stamp_ns
        else:
            snapshot = self._history.pop(result.stamp_ns)
        if snapshot is None:
            self.counts['late_unusable'] += 1
            return
        if snapshot.flow_image is not image:
            self.counts['late_used'] += 1
        self._update_timeout(image, result)
        detections = FrameDetections.from_result(result, snapshot, self._settings)
        update = DetectionUpdate(detections, snapshot, image, self._settings.new_confidence, lambda: next(self._keys))
        owners = update.apply(self._faces, self._history)
        if detections.embeddings is None:
            self._registry.assign_new(self._faces)
            return
        embeddings, max_distance = detections.embeddings_of(owners), self._settings.reid_distance
        detected = set(owners.values())
        self._faces = self._registry.update(self._faces, detected, embeddings, max_distance, image.stamp_ns)

    def _update_timeout(self, image: FlowImage, result: DetectionResult) -> None:
        """Adapt the time-out of unconfirmed faces to the detector: a slow one cannot confirm more often."""
        late_s = (image.stamp_ns - result.stamp_ns) * 1e-9
        since_s = (image.stamp_ns - self._result_ns) * 1e-9 if self._result_ns is not None else 0.0
        next_s = max(2 * late_s, since_s)  # age of this confirmation by the time the next may come
        self._timeout_s = max(self._settings.max_unseen_s, min(1.25 * next_s, _MAX_TIMEOUT_S))
        self._result_ns, self._result_late_s = result.stamp_ns, late_s

    def _looked_ns(self, stamp_ns: int) -> int:
        """Stamp up to which a missing detection says that a face is gone: later the detector did not look at all."""
        if self._result_ns is None:
            return stamp_ns
        return min(stamp_ns, self._result_ns + math.floor(self._timeout_s * 1e9) - 1)  # within it also when rounded

    def _hidden_s(self, stamp_ns: int) -> float:
        """Seconds for which a face that flow lost is published if the detector has not looked since: until it may have.

        As long as `max_hidden_s`, except for a detector that runs asynchronously and is late.
        """
        waiting = self._result_ns is None or self._requested_ns > self._result_ns
        waiting_s = (stamp_ns - self._requested_ns) * 1e-9 if waiting else 0.0
        late_s = _LATE_FACTOR * max(waiting_s, self._result_late_s)
        return max(self._settings.max_hidden_s, min(late_s, _MAX_UNLOOKED_S))

    # Deletion

    def _delete_lost(self, image: FlowImage) -> None:
        """Delete faces that left the image, became too small, or were not confirmed in time."""
        boxes = np.array([f.box for f in self._faces]).reshape(-1, 4)
        inside = inside_share(boxes, image.width, image.height)
        invalid = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:].min(axis=1) < _MIN_FACE_PX)
        lost = [f for i, f in enumerate(self._faces) if invalid[i] or self._lost(f, inside[i], image.stamp_ns)]
        for face in lost:
            self._registry.depart(face, face.tracked_ns)
        if lost:
            self._faces = [f for f in self._faces if f not in lost]

    def _lost(self, face: FaceState, inside: float, stamp_ns: int) -> bool:
        """True for a face, `inside` (share) the image, that is to be deleted."""
        undetected_s = face.undetected_s(stamp_ns, self._looked_ns(stamp_ns))
        if inside < 0.1:
            return face.untracked_s(stamp_ns) > _LEFT_S
        if face.tentative and face.identity is None and face.misses > 1:
            return True
        if face.tentative:
            return undetected_s > self._timeout_s
        allowed_s = face.allowed_s(self._timeout_s, self._settings.max_turned_s)
        return undetected_s > allowed_s + self._settings.keep_lost_s
