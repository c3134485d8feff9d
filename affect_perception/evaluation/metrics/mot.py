"""Tracks in MOTChallenge text form, and their scores (IDF1, MOTA) against the truth by py-motmetrics.

A line is `frame,id,left,top,width,height,confidence,-1,-1,-1`; frames count from 1 (motchallenge.net, "Submission").
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affect_perception.core.boxes import boxes_to_rows, iou
from affect_perception.errors import ConfigError
from affect_perception.types import Affect, Box

SAME_FACE_IOU = 0.5  # MOTChallenge's: a box that overlaps the true one by less is a miss and a false alarm


def line(index: int, face: Affect) -> str:
    """Format one face of frame `index`, which counts from 0 here and from 1 in the file."""
    box = face.box
    return (
        f'{index + 1},{face.track_id},{box.x:.2f},{box.y:.2f},{box.width:.2f},{box.height:.2f},'
        f'{face.confidence:.4f},-1,-1,-1\n'
    )


def read(path: Path) -> dict[int, dict[int, Box]]:
    """Read the box of each id per frame (from 1); ConfigError names an unusable line."""
    frames: dict[int, dict[int, Box]] = {}
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f'{path} cannot be read as MOTChallenge text: {error}') from error
    for number, text in enumerate(lines, 1):
        fields = text.replace(' ', ',').split(',')
        try:
            frame, track_id = int(fields[0]), int(fields[1])
            frames.setdefault(frame, {})[track_id] = Box(*(float(v) for v in fields[2:6]))
        except (ValueError, IndexError, TypeError):
            wanted = 'frame,id,left,top,width,height,...'
            raise ConfigError(f'{path}, line {number}: {text!r} is no track; wanted {wanted}') from None
    return frames


def scores(truth: Path, result: Path) -> dict[str, float]:
    """Score one MOTChallenge file against another: IDF1, MOTA, switches, misses, false alarms, true boxes.

    Raises ConfigError when a file cannot be read or py-motmetrics is not installed.
    """
    try:
        import motmetrics
    except ImportError:
        raise ConfigError('scores of ids need py-motmetrics: pip install affect-perception[eval]') from None
    true, seen = read(truth), read(result)
    accumulator = motmetrics.MOTAccumulator()
    for frame in sorted(true.keys() | seen.keys()):
        objects, hypotheses = true.get(frame, {}), seen.get(frame, {})
        overlap = iou(boxes_to_rows(list(objects.values())), boxes_to_rows(list(hypotheses.values())))
        distance = np.where(overlap >= SAME_FACE_IOU, 1 - overlap, np.nan)
        accumulator.update(list(objects), list(hypotheses), distance, frameid=frame)
    names = {
        'idf1': 'idf1',
        'mota': 'mota',
        'num_switches': 'switches',
        'num_misses': 'misses',
        'num_false_positives': 'false_alarms',
        'num_objects': 'true_boxes',
    }
    row = motmetrics.metrics.create().compute(accumulator, metrics=list(names), name='all').iloc[0]
    return {ours: round(float(row[theirs]), 4) for theirs, ours in names.items()}
