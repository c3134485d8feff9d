"""From a file to numbers without ROS: the same detector, tracker, crops and network as live, stepped by stamps.

Two runs on one machine give the same bytes. Pictures of a folder are taken one by one, as strangers to each other,
unless they are said to be a sequence.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path

import affect_perception
from affect_perception.core.pipeline import step_inline
from affect_perception.core.tracker import FaceTracker
from affect_perception.detectors.finder import make_finder
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.evaluation import mot
from affect_perception.evaluation.draw import VideoWriter
from affect_perception.inference.engine import AffectEngine
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.sources import open_source
from affect_perception.types import Affect, AffectFrame, Frame

# fmt: off
COLUMNS = (
    'frame', 'stamp', 'track_id', 'x', 'y', 'width', 'height', 'confidence', 'smile_level', 'smile_intensity',
    'p_neutral', 'p_low', 'p_medium', 'p_high', 'valence', 'arousal',
)
# fmt: on


class Analysis:
    """Detector, tracker and network in one thread. `alone` treats every picture as the first of a new recording."""

    def __init__(self, tracker: TrackerSettings, affect: AffectSettings, alone: bool = False):
        self._finder = make_finder(tracker)
        self._tracker = FaceTracker(tracker)
        self._engine = AffectEngine(affect)
        self._alone = alone
        self.model = self._engine.model_name
        self.expression_labels = self._engine.expression_labels

    def step(self, frame: Frame) -> AffectFrame:
        """What is seen in `frame`; raises BadInputError for a picture that cannot be used."""
        if self._alone:
            self._tracker.reset()
        return self._engine.step(step_inline(frame, self._finder.find, self._tracker))


def row(index: int, affect: AffectFrame, face: Affect) -> list:
    """The columns of faces.csv, then one per expression."""
    box = [f'{v:.2f}' for v in (face.box.x, face.box.y, face.box.width, face.box.height)]
    numbers = (face.smile_intensity, *face.smile_probabilities, face.valence, face.arousal)
    return [
        index,
        f'{affect.stamp_ns / 1e9:.9f}',
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
) -> dict:
    """Writes `faces.csv`, `tracks.txt` (MOTChallenge) and `metrics.json` to `out`; returns what metrics.json holds.

    `video` adds `annotated.mp4`. `truth`, tracks in MOTChallenge form, adds the scores of the ids to the metrics.
    `progress` wraps the frames.
    """
    bad: list[str] = []

    def on_bad(error: BadInputError) -> None:
        bad.append(str(error))

    if source.source in ('auto', 'scene') or source.source.startswith('camera:'):
        raise ConfigError(f'cannot evaluate {given!r}: give a video file or a folder of images')
    frames = open_source(source, on_bad)
    files = getattr(frames, 'file_of', None)
    analysis = Analysis(tracker, affect, alone=files is not None and not sequence)
    out.mkdir(parents=True, exist_ok=True)
    counts = {'frames': 0, 'frames_with_faces': 0, 'faces': 0}
    ids: set[int] = set()
    film = VideoWriter(out / 'annotated.mp4', frames.fps) if video else None
    with (out / 'faces.csv').open('w', newline='') as file, (out / 'tracks.txt').open('w') as tracks:
        table = csv.writer(file, lineterminator='\n')
        table.writerow([*(['file'] if files else []), *COLUMNS, *analysis.expression_labels])
        for index, frame in enumerate(progress(frames)):
            try:
                seen = analysis.step(frame)
            except BadInputError as error:
                on_bad(error)
                continue
            first = [files(frame.stamp_ns)] if files else []
            table.writerows([*first, *row(index, seen, face)] for face in seen.faces)
            tracks.writelines(mot.line(index, face) for face in seen.faces)
            if film is not None:
                film.write(frame, seen)
            counts['frames'] += 1
            counts['frames_with_faces'] += bool(seen.faces)
            counts['faces'] += len(seen.faces)
            ids.update(face.track_id for face in seen.faces)
    if film is not None:
        film.close()
    metrics = {
        'input': given,
        'version': affect_perception.__version__,
        'model': analysis.model,
        **counts,
        'track_ids': len(ids),
        'bad_inputs': bad,
    }
    if truth is not None:
        metrics['ids'] = mot.scores(truth, out / 'tracks.txt')
    (out / 'metrics.json').write_text(json.dumps(metrics, indent=2) + '\n')
    return metrics
