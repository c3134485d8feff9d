"""`affect-perception evaluate`: a recording to `faces.csv`, `metrics.json` and `report.html`, without ROS.

The same detector, tracker, crops and network as live, stepped by stamps: two runs on one machine give the same bytes.
Images of a folder are single images, unless they are said to be a sequence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import affect_perception
from affect_perception.errors import ConfigError
from affect_perception.evaluation.metrics import mot
from affect_perception.evaluation.offline.annotated_video import VideoWriter
from affect_perception.evaluation.offline.inputs import check_recording
from affect_perception.evaluation.offline.pipeline import ImageResults
from affect_perception.evaluation.offline.recorded import RecordedAffect, RecordedTracks
from affect_perception.evaluation.offline.sound import RecordedSound, for_network
from affect_perception.evaluation.offline.tables import (
    BadInputs,
    face_row,
    header,
    write_files,
    write_json,
)
from affect_perception.evaluation.report.report import ReportCollector, ReportOptions
from affect_perception.runtime.files import LineFile, make_folder, text_of_name
from affect_perception.settings import AffectSettings, AudioSettings, SourceSettings, TrackerSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.file_kinds import READ, READ_IN_PART, FileStatus
from affect_perception.types import AffectFrame, Frame

START_FROM = ('images', 'tracks', 'affect')
Results = ImageResults | RecordedTracks | RecordedAffect
Item = tuple[int, Frame | None, AffectFrame]


def _no_progress(results: Results) -> Iterator[Item]:
    return iter(results)


def evaluate(
    given: str,
    out: Path,
    source: SourceSettings,
    tracker: TrackerSettings,
    affect: AffectSettings,
    sequence: bool = False,
    video: bool = False,
    truth: Path | None = None,
    progress: Callable[[Any], Iterable[Item]] = _no_progress,
    start_from: str = 'images',
    report: ReportOptions | None = None,
    audio: AudioSettings | None = None,
) -> dict:
    """Write `faces.csv`, `frames.csv`, `tracks.txt` (MOTChallenge), `metrics.json` and `report.html` to `out`.

    Returns the content of metrics.json. `video` adds `annotated.mp4`. `truth`, tracks in MOTChallenge form, adds the
    scores of the ids to the metrics. `progress` wraps the frames, whose number is `frames.length` where it is known.
    `start_from` `tracks` or `affect` re-uses these recorded topics of a bag. `report` names the labels and the content
    of report.html. `audio` also reads the sound: `audio.csv`, and who speaks. Raises ConfigError for unusable
    arguments, AffectPerceptionError on a full disk.
    """
    check_recording(source.source)
    make_folder(out)
    collector = ReportCollector(report or ReportOptions(), given)
    if truth is not None:
        mot.check_truth(truth)
    bad = BadInputs()
    if audio is not None and start_from != 'images':
        raise ConfigError(f'--audio needs images, and --from {start_from} reads none; leave one of them out')
    if audio is not None:
        audio = for_network(audio, affect)
    sound = RecordedSound(given, out, audio, bad) if audio is not None and audio.audio != 'off' else None
    results = _open_results(source, tracker, affect, sequence, video, start_from, bad, sound)
    tables = _write_tables(results, out, video, progress, collector, sound)
    files = [status.as_row() for status in _file_statuses(results, given, bad)]
    write_files(out / 'files.csv', files)
    if not tables['frames']:
        reason = bad.texts[0] if bad.texts else 'there is no frame in it'
        raise ConfigError(f'nothing in {text_of_name(given)} can be evaluated: {reason}')
    metrics = {
        'input': text_of_name(given),
        'version': affect_perception.__version__,
        'model': results.model,
        **({'detector': results.detector} if results.detector else {}),
        **tables,
        **({'time_zero': results.time_zero_s} if results.time_zero_s is not None else {}),
        'files': files,
        'bad_inputs': bad.texts,
        'bad_input_counts': dict(sorted(bad.counts.items())),
        'from': start_from,
        **({'topic': results.topic} if results.topic else {}),
    }
    if truth is not None:
        metrics['ids'] = mot.scores(truth, out / 'tracks.txt')
    write_json(out / 'metrics.json', metrics)  # before the report, which is refused for labels that match no face
    settings = {'face_tracker_node': tracker, 'affect_node': affect}
    metrics |= collector.write(out, metrics, results.file_of is None or sequence, settings)
    write_json(out / 'metrics.json', metrics)
    return metrics


def _file_statuses(results: Results, given: str, bad: BadInputs) -> list[FileStatus]:
    """Status of every file of the input; of a source without such statuses, one of the input as a whole."""
    statuses = results.file_statuses
    if statuses is not None:
        return statuses
    name = text_of_name(Path(given).name)
    return [FileStatus(name, READ_IN_PART, bad.texts[0]) if bad.texts else FileStatus(name, READ)]


def _open_results(
    source: SourceSettings,
    tracker: TrackerSettings,
    affect: AffectSettings,
    sequence: bool,
    video: bool,
    start_from: str,
    on_bad: BadInputCallback,
    sound: RecordedSound | None = None,
) -> Results:
    if start_from == 'images':
        return ImageResults(source, tracker, affect, sequence, on_bad, sound)
    if video:
        raise ConfigError(f'--video draws into images, and --from {start_from} reads none; leave one of them out')
    return RecordedTracks(source, affect, on_bad) if start_from == 'tracks' else RecordedAffect(source, on_bad)


def _write_tables(
    results: Results,
    out: Path,
    video: bool,
    progress: Callable[[Any], Iterable[Item]],
    collector: ReportCollector,
    sound: RecordedSound | None = None,
) -> dict[str, Any]:
    """Write faces.csv, tracks.txt and the video; returns the numbers of frames, faces and track ids, and the sound."""
    hears = sound is not None and bool(sound.source)
    spoken: Counter[int] = Counter()  # images in which each track speaks
    counts = {'frames': 0, 'frames_with_faces': 0, 'faces': 0}
    ids: set[int] = set()
    writer = VideoWriter(out / 'annotated.mp4', results.fps, results.time_zero_s) if video else None
    file_of = results.file_of
    with LineFile(out / 'faces.csv') as table, LineFile(out / 'tracks.txt') as tracks:
        columns = header(results.expression_labels, results.reaction_labels, hears)
        table.rows([[*(['file'] if file_of else []), *columns]])
        for index, frame, affect in progress(results):
            file = [file_of(affect.stamp_ns)] if file_of else []
            table.rows([*file, *face_row(index, affect, face, hears)] for face in affect.faces)
            tracks.write(''.join(mot.line(index, face) for face in affect.faces))
            collector.add_frame(index, frame, affect, *file)
            if writer is not None and frame is not None:
                writer.write(frame, affect)
            counts['frames'] += 1
            counts['frames_with_faces'] += bool(affect.faces)
            counts['faces'] += len(affect.faces)
            ids.update(face.track_id for face in affect.faces)
            spoken.update(face.track_id for face in affect.faces if face.speaking >= 0.5)
    if writer is not None:
        writer.close()
    heard: dict[str, Any] = {}
    if sound is not None:
        seconds = {str(i): round(count / results.fps, 2) for i, count in sorted(spoken.items())}
        heard = {'sound': {**sound.close(), 'speaking_seconds': seconds}}
    return {**counts, 'track_ids': len(ids), **heard}
