"""Faces keep their ids: a detector finds them now and then, optical flow follows them in between.

A result of the detector may be of this very picture, or of one some frames ago because the detector runs beside the
tracker. Late results are taken where they belong: compared with the faces as they were then, and carried to now.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from affect_perception.core.boxes import carry_box, covered_share, inside_share, iou
from affect_perception.core.tracking.face_state import FaceState, blended
from affect_perception.core.tracking.frame_detections import FrameDetections
from affect_perception.core.tracking.identities import IdentityRegistry
from affect_perception.core.tracking.matching import match
from affect_perception.core.tracking.occlusion import HIDDEN, swallowed, touched, visible_points
from affect_perception.core.tracking.optical_flow import LIKENESS, SEEN_AGAIN, SUPPORT, FlowImage, follow, similarity
from affect_perception.core.tracking.snapshots import FaceSnapshot, Snapshot, SnapshotHistory
from affect_perception.core.tracking.track_output import report
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionRequest, DetectionResult, Frame, TrackedFrame

_CUT = 0.6  # likeness of successive pictures below which the scene is another one
_SAME_FACE = 0.5  # IoU from which a detection is a face that is being followed already
_LOOK_AROUND = 0.25  # box sizes around its expected place in which a hidden face is looked for
_LOOK_AGAIN = 3  # frames after which the detector is due again when there is a face whose id is open
_INSIDE = 0.95  # share of a face inside the picture that makes a look worthwhile
_REFRESHED = 3  # known faces of which another look is asked for in one run of the detector, at 5 ms each
_LEFT_S = 0.3  # a face that went out of the picture is forgotten after this time
_SMALLEST_PX = 8.0
_MAX_PATIENCE_S = 10.0


class FaceTracker:
    """Multi-face tracker: frames and occasional detections in, tracks with stable ids out. In one thread:

        request = tracker.request(frame)
        tracked = tracker.step(frame, analyzer.analyze(request) if request else None)

    With an asynchronous detector, call `request` only while it is free, submit the request, and give the result to any
    later `step`. `counts` holds the number of restarts by reason and of late results, used and unusable.

    With embeddings in the results, a person who returns within `reid_memory_s` gets the old id. Embeddings are kept of
    the people in view and, for that time, of those who left; also over a scene cut, but not when stamps go backwards.
    """

    def __init__(self, settings: TrackerSettings):
        self._settings = settings
        self._register = IdentityRegistry()
        self._next_key = 1
        self._index = 0  # of the coming frame
        self._view: tuple[Frame, FlowImage] | None = None  # of the frame that was last asked about
        self._requested: Frame | None = None  # frame given to the detector and not yet stepped
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forgets all faces and all who left; the next picture is the first one. Ids are never used again."""
        self._register.clear()
        self._restart()

    @property
    def remembered(self) -> tuple[int, ...]:
        """Ids of the people who left and whose descriptors are still kept."""
        return self._register.remembered

    def _restart(self) -> None:
        self._faces: list[FaceState] = []
        self._history = SnapshotHistory()
        self._last: FlowImage | None = None
        self._asked_index: int | None = None
        self._found_ns: int | None = None  # picture of the newest result of the detector
        self._patience_s = self._settings.max_unseen_s

    def change(self, settings: TrackerSettings) -> None:
        """Other settings from the next step on; the faces stay."""
        self._settings = settings

    def request(self, frame: Frame) -> DetectionRequest | None:
        """Detection request for `frame`, the next to step, or None where no detection is due.

        Due are the first frame, every `detect_every`-th, and the first after a scene cut; sooner while an id is open.
        Call only while the detector is free: a request counts as made once `frame` is stepped.
        """
        self._requested = None
        view = self._view_of(frame)
        begins = self._asked_index is None or bool(self._break(view))
        every, since = self._settings.detect_every, self._index - (self._asked_index or 0)
        if not begins and since < (min(every, _LOOK_AGAIN) if any(f.person is None for f in self._faces) else every):
            return None
        self._requested = frame
        return self._embedding_request(frame, view)

    def _embedding_request(self, frame: Frame, view: FlowImage) -> DetectionRequest:
        if self._last is None or self._break(view):
            return DetectionRequest(frame)
        dt_s = (view.stamp_ns - self._last.stamp_ns) * 1e-9
        faces = [f for f in self._faces if f.followed]
        boxes = np.array([f.box + np.append(f.guess(dt_s), (0, 0)) for f in faces]).reshape(-1, 4)
        fit = (inside_share(boxes, view.width, view.height) > _INSIDE) & ~touched(boxes)
        due = np.where(fit, [f.looks_due(view.stamp_ns) for f in faces], 0.0)
        wanted = np.array([f.person is None for f in faces], bool)
        wanted[[i for i in np.argsort(np.where(wanted, 0, -due), kind='stable')[:_REFRESHED] if due[i] > 0]] = True
        return DetectionRequest(frame, boxes, wanted)

    def step(self, frame: Frame, found: DetectionResult | None = None) -> TrackedFrame:
        """Track all faces to `frame`. `found`: detections of this frame or of an earlier one that was requested."""
        view, self._view = self._view_of(frame), None
        reason = self._break(view)
        if reason:
            self._begin_anew(reason)
        if self._requested is frame:
            self._asked_index = self._index
            if found is None or found.stamp_ns != frame.stamp_ns:
                self._history.ask(frame.stamp_ns)
        self._requested = None
        self._advance(view)
        if found is not None:
            self._take(frame, view, found)
        self._retire(view)
        self._register.name_overdue(self._faces, view.stamp_ns)
        self._register.forget(view.stamp_ns, self._settings.reid_memory_s)
        self._history.keep(self._moment(frame, view))
        self._last, self._index = view, self._index + 1
        tracks = report(self._faces, frame, view, self._settings, self._patience_s)
        return TrackedFrame(frame.stamp_ns, frame.frame_id, frame.width, frame.height, tracks)

    def _view_of(self, frame: Frame) -> FlowImage:
        """Flow image of `frame`, kept from `request` to `step`."""
        if self._view is None or self._view[0] is not frame:
            self._view = frame, FlowImage.of(frame, self._settings.flow_width)
        return self._view[1]

    def _break(self, view: FlowImage) -> str:
        """Why nothing of the past holds for this picture, or an empty string."""
        last = self._last
        if last is None:
            return ''
        if view.stamp_ns < last.stamp_ns:
            return 'stamp_backwards'
        if (view.width, view.height, view.factor) != (last.width, last.height, last.factor):
            return 'size_changed'
        return 'scene_cut' if not (view.blank or last.blank) and view.resemblance(last) < _CUT else ''

    def _begin_anew(self, reason: str) -> None:
        self.counts[reason] += 1
        if reason == 'stamp_backwards':  # another recording, or the same one again: nobody has been seen yet
            self.reset()
            return
        for face in self._faces:
            self._register.leave(face, self._last.stamp_ns)
        self._restart()

    def _moment(self, frame: Frame, view: FlowImage) -> Snapshot:
        return Snapshot(
            frame, view, {f.key: FaceSnapshot(f.box, f.spread(view.stamp_ns), f.roll or 0.0) for f in self._faces}
        )

    # From the last picture to this one

    def _advance(self, view: FlowImage) -> None:
        """Moves every face by its flow, or by its own inertia where there is nothing to see of it."""
        last = self._last
        if last is None or not self._faces:
            return
        faces, dt_s = self._faces, (view.stamp_ns - last.stamp_ns) * 1e-9
        boxes = np.array([f.box for f in faces])
        usable = visible_points(boxes, np.array([f.quality for f in faces]), np.array([f.followed for f in faces]))
        motion = follow(last, view, boxes, np.array([f.guess(dt_s) for f in faces]), usable)
        moved = motion.moved(boxes)
        for i, face in enumerate(faces):
            if not face.followed:  # what flows there is not this face; it is looked for where it was heading
                moved[i] = view.search(face.patch, face.box + np.append(face.guess(dt_s), (0, 0)), _LOOK_AROUND)[1]
        patches = view.patches(moved)
        quality = similarity(np.array([f.patch for f in faces]), patches)
        before = np.array([f.followed for f in faces])
        followed = np.where(before, (motion.support >= SUPPORT) & (quality >= LIKENESS), quality >= SEEN_AGAIN)
        followed &= not (view.blank or last.blank)
        followed &= ~swallowed(moved, np.where(before, quality, -1.0), followed)  # the unseen give way to the seen
        met = touched(moved)
        for i, face in enumerate(faces):
            face.quality = float(quality[i])
            if followed[i]:
                face.move(moved[i], motion.turn[i] if before[i] else 0.0, patches[i], not met[i], dt_s, view.stamp_ns)
            else:
                face.coast(dt_s)

    # What the detector says

    def _take(self, frame: Frame, view: FlowImage, found: DetectionResult) -> None:
        """Confirms the faces that were found, begins new ones, and notes which were not found."""
        if found.stamp_ns == view.stamp_ns:
            moment, self._asked_index = self._moment(frame, view), self._index
        else:
            moment = self._history.take(found.stamp_ns)
        if moment is None:
            self.counts['late_unusable'] += 1
            return
        self._note_result(view, found)
        seen = FrameDetections.of(found, moment, self._settings)
        if moment.view is not view:
            self.counts['late_used'] += 1
        known = [f for f in self._faces if f.key in moment.faces]
        owners: dict[int, FaceState] = {}
        pairs = match(known, moment, seen.then, seen.colours, seen.descriptors)
        certain = {j for _, j, sure in pairs if sure and moment.view is not view}
        now = seen.now([j for j in range(len(seen.detections)) if j not in certain], moment, view, self._history)
        for i, j, sure in pairs:
            owners[j] = known[i]
            # Its own motion since then brings a sure find to now, better than flow over many frames at once.
            box = now[j] if j in now else carry_box(seen.then[j], moment.faces[known[i].key].box, known[i].box)
            self._confirm(known[i], box, seen, j, sure, moment, view)
        self._blame({f.key for f in owners.values()}, known, moment)
        for j in sorted(set(range(len(seen.detections))) - owners.keys()):
            if j in now and seen.detections[j].confidence >= self._settings.new_confidence:
                face = self._begin(now[j], seen, j, moment, view)
                owners |= {j: face} if face else {}
        seen.level(owners, moment)
        if seen.descriptors is not None:
            looks, nearer_than = seen.looks(owners), self._settings.reid_distance
            self._faces = self._register.settle(self._faces, set(owners.values()), looks, nearer_than, view.stamp_ns)
        else:
            self._register.name_all(self._faces)

    def _note_result(self, view: FlowImage, found: DetectionResult) -> None:
        """A slow detector cannot confirm more often than it answers: faces are given that time, and a little more."""
        late_s = (view.stamp_ns - found.stamp_ns) * 1e-9
        since_s = (view.stamp_ns - self._found_ns) * 1e-9 if self._found_ns is not None else 0.0
        next_s = max(2 * late_s, since_s)  # age of this confirmation by the time the next may come
        self._patience_s = max(self._settings.max_unseen_s, min(1.25 * next_s, _MAX_PATIENCE_S))
        self._found_ns = found.stamp_ns

    def _confirm(
        self,
        face: FaceState,
        now: np.ndarray,
        seen: FrameDetections,
        j: int,
        certain: bool,
        moment: Snapshot,
        view: FlowImage,
    ):
        face.confirm(now, seen.detections[j].confidence, certain, moment.view.stamp_ns)
        others = np.array([face.box] + [f.box for f in self._faces if f is not face])
        whole = seen.alone[j] and seen.detections[j].confidence >= self._settings.new_confidence
        alone = whole and not touched(others)[0]
        if moment.view is view or face.followed or not certain:
            face.followed_ns, face.followed = view.stamp_ns, True
            if alone:
                face.patch, face.quality = view.patch(face.box), 1.0
        if alone:
            face.colours = blended(face.colours, seen.colours[j], 0.3)

    def _blame(self, confirmed: set[int], known: list[FaceState], moment: Snapshot) -> None:
        """Faces that the detector should have found and did not."""
        boxes = [moment.faces[f.key].box for f in known]
        others = np.array([b for f, b in zip(known, boxes, strict=True) if f.key in confirmed]).reshape(-1, 4)
        for face, box in zip(known, boxes, strict=True):
            hidden = (covered_share(box[None], others) > HIDDEN).any()
            if face.key not in confirmed and not hidden:
                face.misses += 1

    def _begin(
        self, now: np.ndarray, seen: FrameDetections, j: int, moment: Snapshot, view: FlowImage
    ) -> FaceState | None:
        """A face that nobody followed so far, as yet without an id; None at one that is being followed."""
        if any(f.followed and iou(now[None], f.box[None])[0, 0] > _SAME_FACE for f in self._faces):
            return None
        face = FaceState(
            self._next_key,
            began_ns=view.stamp_ns,
            box=now,
            patch=view.patch(now),
            colours=seen.colours[j],
            confidence=seen.detections[j].confidence,
            seen_ns=moment.view.stamp_ns,
            followed_ns=view.stamp_ns,
        )
        self._next_key += 1
        self._faces.append(face)
        return face

    # Who is still here

    def _retire(self, view: FlowImage) -> None:
        boxes = np.array([f.box for f in self._faces]).reshape(-1, 4)
        inside = inside_share(boxes, view.width, view.height)
        lost = ~np.isfinite(boxes).all(axis=1) | (boxes[:, 2:].min(axis=1) < _SMALLEST_PX)
        gone = [f for i, f in enumerate(self._faces) if lost[i] or self._gone(f, inside[i], view)]
        for face in gone:
            self._register.leave(face, face.followed_ns)
        if gone:
            self._faces = [f for f in self._faces if f not in gone]

    def _gone(self, face: FaceState, inside: float, view: FlowImage) -> bool:
        unseen_s = (view.stamp_ns - face.seen_ns) * 1e-9
        if inside < 0.1:
            return face.hidden_s(view.stamp_ns) > _LEFT_S
        if face.doubtful and face.person is None and face.misses > 1:
            return True
        if face.doubtful:
            return unseen_s > self._patience_s
        return unseen_s > self._patience_s + self._settings.keep_lost_s
