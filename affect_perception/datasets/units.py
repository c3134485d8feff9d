"""Units of work of `prepare`: some clips of one split become one shard, in any process; done ones are recognised."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import affect_perception
from affect_perception.datasets.extraction import FaceExtractor, FrameFaces
from affect_perception.datasets.records import SPLITS, Clip, Finding
from affect_perception.datasets.shards import JPEG_QUALITY, ShardWriter
from affect_perception.datasets.sound import MediumSound, extract_sound
from affect_perception.errors import AffectPerceptionError, BadInputError
from affect_perception.evaluation.labels.quantities import CLASSES
from affect_perception.settings import TrackerSettings

FORMAT = 1  # of shards and index: a change makes `prepare` begin anew
_UNIT_BYTES, _UNIT_CLIPS = 64e6, 256  # of media: about a minute of work
_CROP_BYTES = 5e3  # of an image in a folder of crops, for the size of a unit
_CROP_FPS = 30.0  # of folders of crops, which state none
_SLACK_S = 0.2  # a time-based annotation may differ from its video by this much: label period, rounding
_TURN_S = 0.0005  # of the interpreter, as in offline evaluation: threads wait one turn after each operation
_EVERY = 30  # frames between two reports of progress

Report = Callable[[int], None]  # gets the number of frames done since the last report
Result = dict[str, Any] | str  # result of a unit, or the reason why it failed


@dataclass(frozen=True, eq=False)
class Unit:
    """Clips of one shard in `out`; clips of one medium are adjacent, and are read in one pass."""

    name: str
    clips: tuple[Clip, ...]
    out: Path
    quantities: tuple[str, ...]
    tracker: TrackerSettings
    audio: str = ''  # features of the sound to extract; empty: none

    @property
    def media(self) -> list[tuple[Clip, ...]]:
        """Clips grouped by medium."""
        groups: dict[Path, list[Clip]] = {}
        for clip in self.clips:
            groups.setdefault(clip.media, []).append(clip)
        return [tuple(group) for group in groups.values()]

    @property
    def key(self) -> str:
        """SHA-256 of all that the shard depends on: clips, labels, media (size and time), settings, versions."""
        about = hashlib.sha256()
        version = [FORMAT, JPEG_QUALITY, affect_perception.__version__, self.quantities]
        settings = dataclasses.asdict(self.tracker)
        settings.pop('detect_beside')
        about.update(json.dumps([version, settings], sort_keys=True).encode())
        about.update(self.audio.encode())
        for clip in self.clips:
            stat = clip.media.stat()
            box = dataclasses.astuple(clip.box) if clip.box else None
            fields = clip.name, clip.person, clip.split, clip.faces, clip.select, box, clip.labelled_frames
            about.update(repr((*fields, sorted(clip.values.items()), stat.st_size, stat.st_mtime_ns)).encode())
            for series in clip.series:
                about.update(f'{series.quantity} {series.unit} {series.gap}'.encode())
                for array in (series.starts, series.ends, series.values):
                    about.update(np.ascontiguousarray(array).tobytes())
        return about.hexdigest()

    def finished(self) -> dict[str, Any] | None:
        """Result of an earlier run with the same key whose shard is there, or None."""
        path = self.out / self.name
        try:
            found = json.loads(path.with_suffix('.json').read_text())
        except (OSError, ValueError):
            return None
        whole = path.with_suffix('.tar').is_file() and path.with_suffix('.npz').is_file()
        return found['result'] if whole and found.get('key') == self.key else None


def make_units(
    clips: Iterable[Clip], out: Path, quantities: tuple[str, ...], tracker: TrackerSettings, audio: str = ''
) -> list[Unit]:
    """Divide clips into units of one split each, in their order; independent of the number of processes."""
    units: list[Unit] = []
    for split in SPLITS:
        groups: dict[Path, list[Clip]] = {}
        for clip in clips:
            if clip.split == split:
                groups.setdefault(clip.media, []).append(clip)
        batch: list[Clip] = []
        size, number = 0.0, 0
        for media, group in groups.items():
            batch += group
            size += (group[0].labelled_frames or 0) * _CROP_BYTES if media.is_dir() else media.stat().st_size
            if size >= _UNIT_BYTES or len(batch) >= _UNIT_CLIPS:
                units.append(Unit(f'{split}-{number:05d}', tuple(batch), out, quantities, tracker, audio))
                batch, size, number = [], 0.0, number + 1
        if batch:
            units.append(Unit(f'{split}-{number:05d}', tuple(batch), out, quantities, tracker, audio))
    return units


def result_or_reason(unit: Unit, report: Report) -> Result:
    """Result of `run_unit`, or the reason why it failed, one line: a failed unit does not stop the others."""
    try:
        return run_unit(unit, report)
    except AffectPerceptionError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - a bug must not cost the other units; the table shows its text
        return f'{type(error).__name__}: {error} (a bug: please report it)'


def run_unit(unit: Unit, report: Report = lambda _: None) -> dict[str, Any]:
    """Extract, write the shard, then `NAME.json` with the key; returns the result: counts, class counts, findings.

    An unusable medium is a finding. Raises AffectPerceptionError for a missing detector and a full disk.
    """
    before = cv2.getNumThreads(), sys.getswitchinterval()
    cv2.setNumThreads(1)  # reading, detection and tracking have a thread each: two of OpenCV's made it slower
    sys.setswitchinterval(_TURN_S)
    path = unit.out / unit.name
    path.with_suffix('.json').unlink(missing_ok=True)
    extractor = FaceExtractor(unit.tracker)
    tally = _Tally(unit.quantities)
    try:
        with ShardWriter(path, unit.quantities) as writer:
            for media in unit.media:
                sound = _sound_of(media[0], unit.audio, tally) if unit.audio else None
                path_of_sound = sound.name if sound is not None else ''
                group = tuple(dataclasses.replace(clip, audio_features=path_of_sound) for clip in media)
                times_s = _extract(group, extractor, writer, tally, report)
                if sound is not None:
                    sound.write(times_s, unit.out)
    except OSError as error:
        raise AffectPerceptionError(
            f'{path}.tar cannot be written: {error.strerror}; make room and run again'
        ) from None
    finally:
        extractor.close()
        cv2.setNumThreads(before[0])
        sys.setswitchinterval(before[1])
    result = tally.result()
    temporary = path.with_suffix('.json.part')
    temporary.write_text(json.dumps({'key': unit.key, 'result': result}))
    temporary.replace(path.with_suffix('.json'))
    return result


def _sound_of(first: Clip, audio: str, tally: _Tally) -> MediumSound | None:
    """Features of the sound of a video; None, and a finding, where it has none."""
    if first.media.is_dir() or first.single_image:
        return None
    problems: list[BadInputError] = []
    try:
        sound = extract_sound(first.media, audio, problems)
    except (AffectPerceptionError, OSError) as error:
        problems, sound = [BadInputError('audio', str(error))], None
    for problem in problems:
        tally.find('no_sound', first.label_file, first.label_line, f'{first.media.name}: {problem}')
    return sound


def _extract(
    group: Sequence[Clip], extractor: FaceExtractor, writer: ShardWriter, tally: _Tally, report: Report
) -> list[float]:
    """Extract all clips of one medium; returns the times of its frames in s since the first one."""
    first = group[0]
    problems: list[BadInputError] = []
    frames: Iterable[FrameFaces]
    is_folder = first.media.is_dir()
    is_video = not is_folder and not first.single_image
    count, time_s = 0, 0.0
    times_s: list[float] = []
    try:
        if is_folder:
            frames = extractor.folder(first, _CROP_FPS, problems)
        elif is_video:
            frames = extractor.video(first.media, [clip.select for clip in group], problems)
        else:
            frames = [FrameFaces(0, 0.0, tuple(extractor.image(clip) for clip in group))]
        for faces in frames:
            count, time_s = faces.frame + 1, faces.time_s
            times_s += [time_s] * (count - len(times_s))  # frames that could not be read have the time of the next
            for clip, sample in zip(group, faces.faces, strict=True):
                labels = _labels(clip, tally.quantities, faces.frame, faces.time_s)
                tally.frame(clip, sample is not None, labels)
                if sample is not None and not np.isnan(labels).all():
                    writer.add(clip, faces.frame, faces.time_s, sample, labels)
            if count % _EVERY == 0:
                report(_EVERY)
    except AffectPerceptionError as error:
        problems.append(BadInputError('media', str(error)))
    report(count % _EVERY)
    for problem in problems:
        tally.find('unreadable_media', first.label_file, first.label_line, f'{first.media.name}: {problem}')
    for clip in group:
        tally.end(clip, count, time_s, is_video or is_folder)
    return times_s


def _labels(clip: Clip, quantities: Sequence[str], frame: int, time_s: float) -> np.ndarray:
    """(quantities,) labels of one frame, NaN where not labelled: those of the frame, else those of the clip."""
    row = np.array([clip.values.get(quantity, math.nan) for quantity in quantities])
    for series in clip.series:
        position = float(frame) if series.unit == 'frame' else time_s
        row[quantities.index(series.quantity)] = series.at(np.array([position]))[0]
    return row


class _Tally:
    """Counts and findings of one unit."""

    def __init__(self, quantities: Sequence[str]) -> None:
        self.quantities = tuple(quantities)
        self._counts: Counter[str] = Counter()
        self._values: dict[str, Counter[str]] = {q: Counter() for q in quantities if q in CLASSES}
        self._sums = {q: np.zeros(3) for q in quantities if q not in CLASSES}  # number, sum, sum of squares
        self._no_face: Counter[str] = Counter()
        self._findings: list[Finding] = []

    def find(self, kind: str, file: str, line: int, text: str, count: int = 1) -> None:
        self._findings.append(Finding(kind, file, line, text, count))

    def frame(self, clip: Clip, face: bool, labels: np.ndarray) -> None:
        """Count one frame of one clip."""
        self._counts['frames'] += 1
        if np.isnan(labels).all():
            self._counts['unlabelled'] += 1
            return
        self._counts['labelled'] += 1
        if not face:
            self._no_face[clip.name] += 1
            return
        self._counts['crops'] += 1
        for quantity, value in zip(self.quantities, labels.tolist(), strict=True):
            if math.isnan(value):
                continue
            if quantity in CLASSES:
                self._values[quantity][CLASSES[quantity][int(value)]] += 1
            else:
                self._sums[quantity] += (1, value, value * value)

    def end(self, clip: Clip, count: int, time_s: float, has_length: bool) -> None:
        """Compare the lengths of labels and video, and report the frames without a face."""
        where = clip.label_file, clip.label_line
        if missing := self._no_face[clip.name]:
            self.find('no_face', *where, f'{clip.name}: {missing} of {count} frames', missing)
        if not count or not has_length:
            return
        if clip.labelled_frames is not None:
            extra = clip.labelled_frames - count
            if extra > 0:
                self.find('annotation_longer', *where, f'{clip.name}: {extra} labels after frame {count - 1}', extra)
            elif extra < 0:
                self.find('annotation_shorter', *where, f'{clip.name}: {-extra} frames after the labels', -extra)
        elif clip.labelled_s is not None:
            extra_s = clip.labelled_s - time_s
            if extra_s > _SLACK_S:
                self.find('annotation_longer', *where, f'{clip.name}: labels end {extra_s:.2f} s after the video')
            elif extra_s < -_SLACK_S and all(math.isnan(s.gap) for s in clip.series):
                self.find('annotation_shorter', *where, f'{clip.name}: labels end {-extra_s:.2f} s before the video')

    def result(self) -> dict[str, Any]:
        """All counts, as JSON."""
        return {
            **{name: self._counts[name] for name in ('frames', 'labelled', 'unlabelled', 'crops')},
            'no_face': sum(self._no_face.values()),
            'classes': {q: dict(c) for q, c in self._values.items()},
            'numbers': {q: s.tolist() for q, s in self._sums.items()},
            'findings': [dataclasses.astuple(f) for f in self._findings],
        }
