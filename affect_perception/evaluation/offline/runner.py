"""From a file to numbers without ROS: the same detector, tracker, crops and network as live, stepped by stamps.

Two runs on one machine give the same bytes. Pictures of a folder are taken one by one, as strangers to each other,
unless they are said to be a sequence.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import cv2

import affect_perception
from affect_perception.core.tracking.inline import step_inline
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.detectors.detector_process import DetectorProcess, wants_process
from affect_perception.detectors.face_analyzer import make_face_analyzer
from affect_perception.detectors.prefetch import DetectorPrefetch
from affect_perception.errors import AffectPerceptionError, BadInputError, ConfigError
from affect_perception.evaluation.metrics import mot
from affect_perception.evaluation.offline.annotated_video import VideoWriter
from affect_perception.evaluation.offline.recorded import FromAffect, FromTracks
from affect_perception.evaluation.report.report import ReportOptions, Watcher
from affect_perception.inference.engine import AffectEngine, reproducible
from affect_perception.runtime.files import LineFile
from affect_perception.runtime.prefetch import batched, prefetch
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.sources import OnBad, open_source
from affect_perception.types import Affect, AffectFrame, DetectionRequest, DetectionResult, Frame, TrackedFrame

# fmt: off
COLUMNS = (
    'frame', 'stamp', 'track_id', 'x', 'y', 'width', 'height', 'confidence', 'smile_level', 'smile_intensity',
    'p_neutral', 'p_low', 'p_medium', 'p_high', 'valence', 'arousal',
)
# fmt: on
START_FROM = ('images', 'tracks', 'affect')
_READ = 12  # images that wait for the tracker: more than detect_every, so that the detector has all that time
_TRACKED = 4  # and that wait for the network
_TOGETHER = 4  # images whose faces the network gets at once; a fixed number, so that results do not hang on the clock
_TURN_S = 0.0005  # of the interpreter; the usual 5 ms are what a thread then waits after each operation of a network
_TEXTS = 100  # of bad inputs that metrics.json holds; the others are only counted
_JUMP_S = 10.0  # between two images; a longer time is worth a word


class Analysis:
    """Detector and tracker, then the network. `alone` treats every picture as the first of a new recording.

    Three threads may work side by side, each in the order of the frames: `read`, `track` and `see`. On a CPU the
    detector has a process, which starts while the network is loaded here.
    """

    def __init__(self, tracker: TrackerSettings, affect: AffectSettings, alone: bool = False):
        with ThreadPoolExecutor(1) as beside:
            detector = beside.submit(DetectorProcess, tracker) if wants_process(tracker) else None
            self._engine = AffectEngine(reproducible(affect))
            self._finder = make_face_analyzer(tracker, detector and detector.result())
        self._foresight = DetectorPrefetch(self._finder.detect, 1 if alone else tracker.detect_every)
        self._tracker = FaceTracker(tracker)
        self._alone = alone
        self.model = self._engine.model_name
        self.expression_labels = self._engine.expression_labels

    def read(self, frame: Frame) -> None:
        """A frame that `track` will get, so that the detector may begin with it."""
        self._foresight.read(frame)

    def track(self, frame: Frame) -> TrackedFrame:
        """The faces of `frame`; raises BadInputError for a picture that cannot be used."""
        if self._alone:
            self._tracker.reset()
        try:
            return step_inline(frame, self._analyze, self._tracker)
        finally:
            self._foresight.passed()

    def _analyze(self, request: DetectionRequest) -> DetectionResult:
        return self._finder.analyze_detections(request, self._foresight.detections(request.frame))

    def see(self, tracked: Sequence[TrackedFrame]) -> list[AffectFrame]:
        """What the faces of some frames show."""
        if not self._alone:
            return self._engine.sequence(tracked)
        seen = []
        for one in tracked:
            self._engine.reset()
            seen.append(self._engine.step(one))
        return seen

    def close(self) -> None:
        self._foresight.close()
        self._finder.close()


class FromImages:
    """The images of a source, analysed one after the other: (index, frame, what is seen in it).

    An image that cannot be used is told to `on_bad` and skipped; its index stays unused. Reading, finding, following
    and the network each have a thread and work on different images; the results are the same as one after the other.
    """

    def __init__(
        self,
        source: SourceSettings,
        tracker: TrackerSettings,
        affect: AffectSettings,
        sequence: bool,
        on_bad: OnBad,
    ):
        self._on_bad = on_bad
        self._unread: list[BadInputError] = []  # what the source tells, until the tracker is there
        self._frames = open_source(source, self._unread.append)
        self.file_of = getattr(self._frames, 'file_of', None)
        self.length, self.fps = getattr(self._frames, 'length', None), self._frames.fps
        self.topic = getattr(self._frames, 'topic', None)
        self._analysis = Analysis(tracker, affect, alone=self.file_of is not None and not sequence)
        self.model, self.expression_labels = self._analysis.model, self._analysis.expression_labels

    def __iter__(self) -> Iterator[tuple[int, Frame | None, AffectFrame]]:
        before = cv2.getNumThreads(), sys.getswitchinterval()
        cv2.setNumThreads(1)  # the cores are busy with other images
        sys.setswitchinterval(_TURN_S)
        try:
            with closing(prefetch(self._tracked(), _TRACKED)) as items:
                for group in batched(items, _TOGETHER):
                    indices, frames, tracked = zip(*group, strict=True)
                    yield from zip(indices, frames, self._analysis.see(tracked), strict=True)
        finally:
            cv2.setNumThreads(before[0])
            sys.setswitchinterval(before[1])
            self._analysis.close()

    def _read(self) -> Iterator[tuple[Frame | None, list[BadInputError]]]:
        """The frames, each with what the source had to tell before it; at the end what it told last."""
        for frame in self._frames:
            self._analysis.read(frame)
            yield frame, self._told()
        yield None, self._told()

    def _told(self) -> list[BadInputError]:
        told = self._unread[:]
        del self._unread[: len(told)]
        return told

    def _tracked(self) -> Iterator[tuple[int, Frame, TrackedFrame]]:
        last_ns = None
        for index, (frame, told) in enumerate(prefetch(self._read(), _READ)):
            for error in told:
                self._on_bad(error)
            if frame is None:
                return
            step_s = 0.0 if last_ns is None else (frame.stamp_ns - last_ns) * 1e-9
            if not 0 <= step_s <= _JUMP_S:
                follows = 'all tracks begin anew' if step_s < 0 else 'as if nobody had been filmed in between'
                self._on_bad(BadInputError('stamp', f'the stamps jump by {step_s:.3f} s at image {index}; {follows}'))
            last_ns = frame.stamp_ns
            try:
                tracked = self._analysis.track(frame)
            except BadInputError as error:
                self._on_bad(error)
            else:
                yield index, frame, tracked


class BadInputs:
    """Counts what could not be used, by kind, and keeps the words for the first hundred."""

    def __init__(self):
        self.counts: Counter[str] = Counter()
        self.texts: list[str] = []

    def __call__(self, error: BadInputError) -> None:
        self.counts[error.kind] += 1
        if len(self.texts) < _TEXTS:
            self.texts.append(str(error))


def row(index: int, affect: AffectFrame, face: Affect) -> list:
    """The columns of faces.csv, then one per expression."""
    box = [f'{v:.2f}' for v in (face.box.x, face.box.y, face.box.width, face.box.height)]
    numbers = (face.smile_intensity, *face.smile_probabilities, face.valence, face.arousal)
    return [
        index,
        f'{affect.stamp_ns // 10**9}.{affect.stamp_ns % 10**9:09d}',  # not a float: those end at 0.1 µs
        face.track_id,
        *box,
        f'{face.confidence:.4f}',
        face.smile_level.name.lower(),
        *(f'{v:.6f}' for v in (*numbers, *face.expression_probabilities)),
    ]


def evaluate(
    given: str,
    out: Path,
    source: SourceSettings,
    tracker: TrackerSettings,
    affect: AffectSettings,
    sequence: bool = False,
    video: bool = False,
    truth: Path | None = None,
    progress=lambda frames: frames,
    start_from: str = 'images',
    report: ReportOptions | None = None,
) -> dict:
    """Writes `faces.csv`, `frames.csv`, `tracks.txt` (MOTChallenge), `metrics.json` and `report.html` to `out`.

    Returns what metrics.json holds.

    `video` adds `annotated.mp4`. `truth`, tracks in MOTChallenge form, adds the scores of the ids to the metrics.
    `progress` wraps the frames, whose number is `frames.length` where it is known. `start_from` `tracks` or `affect`
    re-uses what a bag recorded of them. `report` names labels to compare with, and what is asked of report.html.
    """
    watcher = Watcher(report or ReportOptions(), given)
    bad = BadInputs()
    frames = _opened(given, source, tracker, affect, sequence, video, start_from, bad)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f'cannot write to {out}: {error.strerror}; give another --out') from None
    metrics = {
        'input': given,
        'version': affect_perception.__version__,
        'model': frames.model,
        **_tabulate(frames, out, video, progress, watcher),
        'bad_inputs': bad.texts,
        'bad_input_counts': dict(sorted(bad.counts.items())),
        'from': start_from,
        **({'topic': frames.topic} if frames.topic else {}),
    }
    if truth is not None:
        metrics['ids'] = mot.scores(truth, out / 'tracks.txt')
    write_json(out / 'metrics.json', metrics)  # before what may be refused: labels that fit nobody
    metrics |= watcher.finish(
        out, metrics, frames.file_of is None or sequence, {'face_tracker_node': tracker, 'affect_node': affect}
    )
    write_json(out / 'metrics.json', metrics)
    return metrics


def _opened(
    given, source, tracker, affect, sequence, video, start_from, on_bad
) -> FromImages | FromTracks | FromAffect:
    if source.source in ('auto', 'scene') or source.source.startswith('camera:'):
        raise ConfigError(f'cannot evaluate {given!r}: give a video file, a bag or a folder of images')
    if start_from == 'images':
        return FromImages(source, tracker, affect, sequence, on_bad)
    if video:
        raise ConfigError(f'--video draws into images, and --from {start_from} reads none; leave one of them out')
    return FromTracks(source, affect, on_bad) if start_from == 'tracks' else FromAffect(source, on_bad)


def _tabulate(
    frames: FromImages | FromTracks | FromAffect, out: Path, video: bool, progress, watcher: Watcher
) -> dict[str, int]:
    """Writes the tables and the film; returns how much was seen."""
    counts = {'frames': 0, 'frames_with_faces': 0, 'faces': 0}
    ids: set[int] = set()
    film = VideoWriter(out / 'annotated.mp4', frames.fps) if video else None
    files = frames.file_of
    with LineFile(out / 'faces.csv') as table, LineFile(out / 'tracks.txt') as tracks:
        table.rows([[*(['file'] if files else []), *COLUMNS, *frames.expression_labels]])
        for index, frame, seen in progress(frames):
            first = [files(frame.stamp_ns)] if files else []
            table.rows([*first, *row(index, seen, face)] for face in seen.faces)
            tracks.write(''.join(mot.line(index, face) for face in seen.faces))
            watcher.see(index, frame, seen, *first)
            if film is not None:
                film.write(frame, seen)
            counts['frames'] += 1
            counts['frames_with_faces'] += bool(seen.faces)
            counts['faces'] += len(seen.faces)
            ids.update(face.track_id for face in seen.faces)
    if film is not None:
        film.close()
    return {**counts, 'track_ids': len(ids)}


def write_json(path: Path, content: dict) -> None:
    """Replaces a file at once; AffectPerceptionError where the disk is full."""
    part = path.with_name(path.name + '.part')
    try:
        part.write_text(json.dumps(content, indent=2) + '\n')
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise AffectPerceptionError(f'{path} cannot be written: {error.strerror}') from None
