"""Faces keep their ids: a detector finds them now and then, optical flow follows them in between.

A result of the detector may be of this very picture, or of one some frames ago because the detector runs beside the
tracker. Late results are taken where they belong: compared with the faces as they were then, and carried to now.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from affect_perception.core import geometry
from affect_perception.core.association import COLOURS, colours
from affect_perception.core.crops import face_crop
from affect_perception.core.face import Face, blended
from affect_perception.core.flow import LIKENESS, SEEN_AGAIN, SUPPORT, View, follow, likeness
from affect_perception.core.history import History, Memory, Moment
from affect_perception.core.matching import match
from affect_perception.core.occlusion import swallowed, touched, visible_points
from affect_perception.settings import TrackerSettings
from affect_perception.types import Detection, Frame, Track, TrackedFrame

_CUT = 0.6  # likeness of successive pictures below which the scene is another one
_SAME_FACE = 0.5  # IoU from which a detection is a face that is being followed already
_HIDDEN = 0.5  # share of a face behind another from which it is not expected to be seen
_LOOK_AROUND = 0.25  # box sizes around its expected place in which a hidden face is looked for
_INSIDE = 0.4  # share of a face box inside the picture from which it is reported
_LEFT_S = 0.3  # a face that went out of the picture is forgotten after this time
_SMALLEST_PX = 8.0
_MAX_PATIENCE_S = 10.0


@dataclass(frozen=True)
class Found:
    """What a detector found in the picture of time `stamp_ns`, in pixels of that picture."""

    stamp_ns: int
    detections: list[Detection] | tuple[Detection, ...]


class FaceTracker:
    """Follows faces from picture to picture. With a detector in the same thread:

        found = Found(frame.stamp_ns, detector.detect(frame.rgb)) if tracker.due(frame) else None
        tracked = tracker.step(frame, found)

    With a detector beside: when `due(frame)` and the detector is free, hand it the frame and call
    `detection_asked(frame)` before `step(frame)`; give what it finds to any later `step`. `counts` tells how often the
    tracker began anew and why, and how many late results were of use.
    """

    def __init__(self, settings: TrackerSettings):
        self._settings = settings
        self._next_id = 1  # ids are never used again, not even after `reset`
        self._index = 0  # of the coming frame
        self._view: tuple[Frame, View] | None = None
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forgets all faces; the next picture is the first one."""
        self._faces: list[Face] = []
        self._history = History()
        self._last: View | None = None
        self._asked_index: int | None = None
        self._found_ns: int | None = None  # picture of the newest result of the detector
        self._patience_s = self._settings.max_unseen_s

    def change(self, settings: TrackerSettings) -> None:
        """Other settings from the next step on; the faces stay."""
        self._settings = settings

    def due(self, frame: Frame) -> bool:
        """Whether the detector should see this frame, the next to step: the first, each `detect_every`, after a cut."""
        if self._asked_index is None or self._break(self._view_of(frame)):
            return True
        return self._index - self._asked_index >= self._settings.detect_every

    def detection_asked(self, frame: Frame) -> None:
        """The detector has been given this frame, to be stepped next; what it finds may come many frames later."""
        reason = self._break(self._view_of(frame))
        if reason:
            self._begin_anew(reason)
        self._history.ask(frame.stamp_ns)
        self._asked_index = self._index

    def step(self, frame: Frame, found: Found | None = None) -> TrackedFrame:
        """All credible faces of `frame`. `found` is of this frame or of an earlier one that `detection_asked` named."""
        view = self._view_of(frame)
        reason = self._break(view)
        if reason:
            self._begin_anew(reason)
        self._advance(view)
        if found is not None:
            self._take(frame, view, found)
        self._retire(view)
        self._history.keep(self._moment(frame, view))
        self._last, self._index = view, self._index + 1
        return TrackedFrame(frame.stamp_ns, frame.frame_id, frame.width, frame.height, tuple(self._tracks(frame, view)))

    def _view_of(self, frame: Frame) -> View:
        if self._view is None or self._view[0] is not frame:
            self._view = frame, View.of(frame, self._settings.flow_width)
        return self._view[1]

    def _break(self, view: View) -> str:
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
        self.reset()

    def _moment(self, frame: Frame, view: View) -> Moment:
        return Moment(frame, view, {f.track_id: Memory(f.box, f.spread(view.stamp_ns)) for f in self._faces})

    # From the last picture to this one

    def _advance(self, view: View) -> None:
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
        patches = np.array([view.patch(b) for b in moved])
        quality = likeness(np.array([f.patch for f in faces]), patches)
        before = np.array([f.followed for f in faces])
        followed = np.where(before, (motion.support >= SUPPORT) & (quality >= LIKENESS), quality >= SEEN_AGAIN)
        followed &= not (view.blank or last.blank)
        followed &= ~swallowed(moved, np.where(before, quality, -1.0), followed)  # the unseen give way to the seen
        met = touched(moved)
        for i, face in enumerate(faces):
            face.quality = float(quality[i])
            if followed[i]:
                face.move(moved[i], patches[i], not met[i], dt_s, view.stamp_ns)
            else:
                face.coast(dt_s)

    # What the detector says

    def _take(self, frame: Frame, view: View, found: Found) -> None:
        """Confirms the faces that were found, begins new ones, and notes which were not found."""
        if found.stamp_ns == view.stamp_ns:
            moment, self._asked_index = self._moment(frame, view), self._index
        else:
            moment = self._history.take(found.stamp_ns)
        if moment is None:
            self.counts['late_unusable'] += 1
            return
        self._note_result(view, found)
        detections = [d for d in found.detections if d.confidence >= self._settings.min_confidence]
        looks = np.array([colours(moment.frame.rgb, d.box) for d in detections]).reshape(-1, COLOURS)
        then = geometry.rows([d.box for d in detections])
        if moment.view is view:
            now, carried = then, np.ones(len(then), bool)
        else:
            now, carried = self._history.carry(then, moment, view)
            self.counts['late_used'] += 1
        known = [f for f in self._faces if f.track_id in moment.faces]
        pairs = match(known, moment, then, looks)
        for i, j, certain in pairs:
            self._confirm(known[i], moment, detections[j], looks[j], certain, now[j] if carried[j] else None, view)
        self._blame({known[i].track_id for i, _, _ in pairs}, known, moment)
        for j in sorted(set(range(len(detections))) - {j for _, j, _ in pairs}):
            if carried[j] and detections[j].confidence >= self._settings.new_confidence:
                self._begin(now[j], looks[j], detections[j].confidence, moment, view)

    def _note_result(self, view: View, found: Found) -> None:
        """A slow detector cannot confirm more often than it answers: faces are given that time, and a little more."""
        late_s = (view.stamp_ns - found.stamp_ns) * 1e-9
        since_s = (view.stamp_ns - self._found_ns) * 1e-9 if self._found_ns is not None else 0.0
        next_s = max(2 * late_s, since_s)  # age of this confirmation by the time the next may come
        self._patience_s = max(self._settings.max_unseen_s, min(1.25 * next_s, _MAX_PATIENCE_S))
        self._found_ns = found.stamp_ns

    def _confirm(
        self,
        face: Face,
        moment: Moment,
        detection: Detection,
        look: np.ndarray,
        certain: bool,
        now: np.ndarray | None,
        view: View,
    ) -> None:
        if moment.view is not view and (certain or now is None):
            # Its own motion since then brings the find to now, better than flow over many frames at once.
            now = geometry.carried(geometry.row(detection.box), moment.faces[face.track_id].box, face.box)
        face.confirm(now, detection.confidence, certain, moment.view.stamp_ns)
        others = np.array([face.box] + [f.box for f in self._faces if f is not face])
        alone = not touched(others)[0]
        if moment.view is view or face.followed or not certain:
            face.followed_ns, face.followed = view.stamp_ns, True
            if alone:
                face.patch, face.quality = view.patch(face.box), 1.0
        if alone:
            face.colours = blended(face.colours, look, 0.3)

    def _blame(self, confirmed: set[int], known: list[Face], moment: Moment) -> None:
        """Faces that the detector should have found and did not."""
        boxes = [moment.faces[f.track_id].box for f in known]
        others = np.array([b for f, b in zip(known, boxes, strict=True) if f.track_id in confirmed]).reshape(-1, 4)
        for face, box in zip(known, boxes, strict=True):
            hidden = (geometry.covered(box[None], others) > _HIDDEN).any()
            if face.track_id not in confirmed and not hidden:
                face.misses += 1

    def _begin(self, now: np.ndarray, look: np.ndarray, confidence: float, moment: Moment, view: View) -> None:
        if any(f.followed and geometry.iou(now[None], f.box[None])[0, 0] > _SAME_FACE for f in self._faces):
            return
        face = Face(
            self._next_id,
            now,
            view.patch(now),
            look,
            confidence,
            seen_ns=moment.view.stamp_ns,
            followed_ns=view.stamp_ns,
        )
        self._next_id += 1
        self._faces.append(face)

    # Who is still here

    def _retire(self, view: View) -> None:
        self._faces = [f for f in self._faces if not self._gone(f, view)]

    def _gone(self, face: Face, view: View) -> bool:
        unseen_s = (view.stamp_ns - face.seen_ns) * 1e-9
        if not np.isfinite(face.box).all() or min(face.box[2:]) < _SMALLEST_PX:
            return True
        if geometry.inside_share(face.box[None], view.width, view.height)[0] < 0.1:
            return face.hidden_s(view.stamp_ns) > _LEFT_S
        if face.doubtful:
            return unseen_s > self._patience_s
        return unseen_s > self._patience_s + self._settings.keep_lost_s

    def _tracks(self, frame: Frame, view: View) -> list[Track]:
        credible = [f for f in self._faces if self._credible(f, view)]
        boxes = np.array([f.box for f in credible]).reshape(-1, 4)
        followed = np.array([f.followed for f in credible], bool)
        behind = ((geometry.covered(boxes, boxes) > _HIDDEN) & followed[None] & ~followed[:, None]).any(axis=1)
        return [self._track(f, frame, view) for f, hidden in zip(credible, behind, strict=True) if not hidden]

    def _credible(self, face: Face, view: View) -> bool:
        return not (
            face.doubtful
            or (view.stamp_ns - face.seen_ns) * 1e-9 > self._patience_s
            or face.hidden_s(view.stamp_ns) > self._settings.max_hidden_s
            or geometry.inside_share(face.box[None], view.width, view.height)[0] < _INSIDE
        )

    def _track(self, face: Face, frame: Frame, view: View) -> Track:
        hidden = min(face.hidden_s(view.stamp_ns) / max(self._settings.max_hidden_s, 1e-3), 1.0)
        box = geometry.box(face.shown)
        return Track(
            track_id=face.track_id,
            box=box,
            confidence=float(
                np.clip(face.confidence * min(max(face.quality, 0.0) + 0.2, 1.0) * (1 - 0.5 * hidden), 0, 1)
            ),
            detection_age_s=max((view.stamp_ns - face.seen_ns) * 1e-9, 0.0),
            crop=face_crop(frame.rgb, box, self._settings.crop_size, self._settings.crop_margin),
        )
