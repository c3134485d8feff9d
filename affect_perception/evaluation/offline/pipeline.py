"""Frames through detector, tracker and affect network, as live but stepped by stamps; each stage has a thread.

Two runs on one machine give the same bytes.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import cv2

from affect_perception.audio.sound_history import energy_and_pitch
from affect_perception.audio.who_speaks import WhoSpeaks
from affect_perception.core.sound import HEARD_AHEAD_NS, AudioFeatures
from affect_perception.core.tracking.inline import step_inline
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.detectors import way_of
from affect_perception.detectors.detector_process import DetectorProcess, wants_process
from affect_perception.detectors.face_analyzer import make_face_analyzer
from affect_perception.detectors.prefetch import DetectorPrefetch
from affect_perception.errors import BadInputError
from affect_perception.evaluation.offline.sound import RecordedSound
from affect_perception.inference.engine import AffectEngine, reproducible_settings
from affect_perception.runtime.imports.background_import import import_in_background
from affect_perception.runtime.prefetch import batched, prefetch
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.sources import BadInputCallback, open_source
from affect_perception.sources.file_kinds import FileStatus
from affect_perception.types import AffectFrame, DetectionRequest, DetectionResult, Frame, TrackedFrame

_READ = 12  # frames that wait for the tracker: more than detect_every, so that the detector has all that time
_TRACKED = 4  # frames that wait for the network
_TOGETHER = 4  # frames per batch of the network; a fixed number, so that results do not depend on timing
_TURN_S = 0.0005  # of the interpreter; a thread waits one turn after each operation of a network, by default 5 ms
_JUMP_S = 10.0  # a longer time between two frames is reported


class FrameProcessor:
    """Face analyzer, tracker and affect network for one recording; `single_images` resets them before every frame.

    Three threads may work concurrently, each in the order of the frames: `prefetch`, `track` and `classify`. On a CPU
    the detector has a process of its own, which starts while the network is loaded here.
    """

    def __init__(self, tracker: TrackerSettings, affect: AffectSettings, single_images: bool = False) -> None:
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(DetectorProcess, tracker) if wants_process(tracker) else None
            self._engine = AffectEngine(reproducible_settings(affect))
            self._analyzer = make_face_analyzer(tracker, starting.result() if starting else None)
        self._engine.crops.check_margin(tracker)
        tracker = tracker.changed(crop_size=max(tracker.crop_size, self._engine.crops.size))
        self._crop_margin = tracker.crop_margin
        self._who: WhoSpeaks | None = None  # with sound
        self._sound: deque[AudioFeatures] = deque()  # that `_who` did not get yet
        self._detections = DetectorPrefetch(
            self._analyzer.detect, 1 if single_images else tracker.detect_every, tracker.detect_period_s
        )
        self._tracker = FaceTracker(tracker)
        self._single_images = single_images
        self.model = self._engine.model_name
        self.detector = way_of(self._analyzer.detector, tracker)
        self.expression_labels, self.reaction_labels = self._engine.expression_labels, self._engine.reaction_labels

    def prefetch(self, frame: Frame) -> None:
        """Submit a frame that `track` will get later, so that the detector can start on it."""
        self._detections.announce(frame)

    def track(self, frame: Frame) -> TrackedFrame:
        """Track the faces of `frame`; raises BadInputError for an unusable image."""
        if self._single_images:
            self._tracker.reset()
        try:
            return step_inline(frame, self._analyze, self._tracker)
        finally:
            self._detections.advance()

    def _analyze(self, request: DetectionRequest) -> DetectionResult:
        return self._analyzer.analyze_detections(request, self._detections.detections(request.frame))

    def hear(self, features: AudioFeatures) -> None:
        """Take sound, before the frames of its time; BadInputError for features that cannot be used."""
        if self._who is None:
            self._who = WhoSpeaks(self._crop_margin)
        if not features.functionals:
            energy_and_pitch(features)
            self._sound.append(features)
        self._engine.hear(features)

    def classify(self, tracked: Sequence[TrackedFrame]) -> list[AffectFrame]:
        """Run the affect network on the faces of some frames, in one batch where they are a sequence."""
        if not self._single_images:
            results = self._engine.sequence(tracked)
            return [self._with_speaking(frame, affect) for frame, affect in zip(tracked, results, strict=True)]
        results = []
        for one in tracked:
            self._engine.reset()
            results.append(self._engine.step(one))
        return results

    def _with_speaking(self, tracked: TrackedFrame, affect: AffectFrame) -> AffectFrame:
        """Results with who speaks, from the sound that a live graph would have by then."""
        if self._who is None:
            return affect
        while self._sound and self._sound[0].stamp_ns <= tracked.stamp_ns + HEARD_AHEAD_NS:
            self._who.put(self._sound.popleft())
        return self._who.added(tracked, affect)

    def close(self) -> None:
        """Stop the detector, also in the middle of an image; `track` raises from then on."""
        self._analyzer.close()  # first: a detector process that hangs would be waited for
        self._detections.close()


class ImageResults:
    """Affect of every frame of an image source: iterates over (index, frame, affect) in order.

    `time_zero_s` is the stamp at which the clock of the medium begins, None where it has none. An unusable image is
    reported to `on_bad` and skipped; its index stays unused. Reading, detection, tracking and the network each have a
    thread and work on different images; the results equal those of one after the other.
    """

    def __init__(
        self,
        source: SourceSettings,
        tracker: TrackerSettings,
        affect: AffectSettings,
        sequence: bool,
        on_bad: BadInputCallback,
        sound: RecordedSound | None = None,
    ) -> None:
        self._on_bad, self._sound = on_bad, sound
        self._unread: list[BadInputError] = []  # reports of the source that `on_bad` did not get yet
        self._frames = open_source(source, self._unread.append)
        self.file_of = getattr(self._frames, 'file_of', None)
        self.length, self.fps = getattr(self._frames, 'length', None), self._frames.fps
        self.topic = getattr(self._frames, 'topic', None)
        self.time_zero_s: float | None = getattr(self._frames, 'time_zero_s', None)
        self._processor = FrameProcessor(tracker, affect, self.file_of is not None and not sequence)
        self.model, self.detector = self._processor.model, self._processor.detector
        self.expression_labels = self._processor.expression_labels
        self.reaction_labels = self._processor.reaction_labels

    @property
    def file_statuses(self) -> list[FileStatus] | None:
        """Status of every file of the source, as far as it has been read; None for a source without such statuses."""
        return getattr(self._frames, 'file_statuses', None)

    def __iter__(self) -> Iterator[tuple[int, Frame | None, AffectFrame]]:
        import_in_background('scipy.optimize')  # needed from the second detection on, and slow to import
        before = cv2.getNumThreads(), sys.getswitchinterval()
        cv2.setNumThreads(1)  # the cores are busy with other frames
        sys.setswitchinterval(_TURN_S)
        try:
            with closing(prefetch(self._tracked(), _TRACKED, self._processor.close)) as items:
                for group in batched(items, _TOGETHER):
                    indices, frames, tracked = zip(*group, strict=True)
                    self._hear(tracked[0].stamp_ns, tracked[-1].stamp_ns)
                    yield from zip(indices, frames, self._processor.classify(tracked), strict=True)
        finally:
            cv2.setNumThreads(before[0])
            sys.setswitchinterval(before[1])
            self._processor.close()

    def _hear(self, first_ns: int, last_ns: int) -> None:
        """Give the sound of frames with these stamps, and a little after them, to the processor."""
        if self._sound is None:
            return
        self._sound.begin(first_ns)
        for features in self._sound.until(last_ns + HEARD_AHEAD_NS):
            try:
                self._processor.hear(features)
            except BadInputError as error:
                self._on_bad(error)

    def _read(self) -> Iterator[tuple[Frame | None, list[BadInputError]]]:
        """The frames, each with the reports of the source before it; at the end None with the last reports."""
        for frame in self._frames:
            self._processor.prefetch(frame)
            yield frame, self._take_reports()
        yield None, self._take_reports()

    def _take_reports(self) -> list[BadInputError]:
        reports = self._unread[:]
        del self._unread[: len(reports)]
        return reports

    def _tracked(self) -> Iterator[tuple[int, Frame, TrackedFrame]]:
        last_ns = None
        for index, (frame, reports) in enumerate(prefetch(self._read(), _READ)):
            for error in reports:
                self._on_bad(error)
            if frame is None:
                return
            step_s = 0.0 if last_ns is None else (frame.stamp_ns - last_ns) * 1e-9
            if not 0 <= step_s <= _JUMP_S:
                follows = 'all tracks begin anew' if step_s < 0 else 'taken as time without faces'
                self._on_bad(BadInputError('stamp', f'the stamps jump by {step_s:.3f} s at image {index}; {follows}'))
            last_ns = frame.stamp_ns
            try:
                tracked = self._processor.track(frame)
            except BadInputError as error:
                self._on_bad(error)
            else:
                yield index, frame, tracked
