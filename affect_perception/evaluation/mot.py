"""Tracks in MOTChallenge text form, and their scores against the truth by py-motmetrics.

A line is `frame,id,left,top,width,height,confidence,-1,-1,-1`; frames count from 1 (motchallenge.net, "Submission").
"""

from __future__ import annotations

from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.types import Affect

SAME_FACE_IOU = 0.5  # MOTChallenge's: a box that overlaps the true one by less is a miss and a false alarm


def line(index: int, face: Affect) -> str:
    """One face of frame `index`, which counts from 0 here and from 1 in the file."""
    box = face.box
    return (
        f'{index + 1},{face.track_id},{box.x:.2f},{box.y:.2f},{box.width:.2f},{box.height:.2f},'
        f'{face.confidence:.4f},-1,-1,-1\n'
    )


def scores(truth: Path, result: Path) -> dict[str, float]:
    """IDF1, MOTA, switches, misses and false alarms of one file against another, both in MOTChallenge form.

    Raises ConfigError when a file cannot be read or py-motmetrics is not installed.
    """
    try:
        import motmetrics
    except ImportError:
        raise ConfigError('scores of ids need py-motmetrics: pip install affect-perception[eval]') from None
    tables = []
    for path in (truth, result):
        try:
            tables.append(motmetrics.io.loadtxt(str(path), fmt='mot15-2D'))
        except (OSError, ValueError) as error:
            raise ConfigError(f'{path} cannot be read as MOTChallenge text: {error}') from error
    compared = motmetrics.utils.compare_to_groundtruth(*tables, 'iou', distth=1 - SAME_FACE_IOU)
    names = {
        'idf1': 'idf1',
        'mota': 'mota',
        'num_switches': 'switches',
        'num_misses': 'misses',
        'num_false_positives': 'false_alarms',
        'num_objects': 'true_boxes',
    }
    row = motmetrics.metrics.create().compute(compared, metrics=list(names), name='all').iloc[0]
    return {ours: round(float(row[theirs]), 4) for theirs, ours in names.items()}
