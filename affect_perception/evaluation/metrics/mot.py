"""Tracks in MOTChallenge text form, and their scores (IDF1, MOTA) against the truth by py-motmetrics.

A line is `frame,id,left,top,width,height,confidence,-1,-1,-1`; frames count from 1 (motchallenge.net, "Submission").
In a truth file the seventh field is a flag; boxes with flag 0 are ignored: they are no misses, and tracks on them no
false alarms.
"""

from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path
from types import ModuleType

import numpy as np

from affect_perception.core.boxes import boxes_to_rows, iou
from affect_perception.errors import ConfigError
from affect_perception.runtime.files import read_text_file
from affect_perception.types import Affect, Box

_LARGEST = 2**31  # bytes
_MISSING = 'scores of ids need py-motmetrics: pip install affect-perception[eval]'
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
    return _read(path, flagged=False)[0]


def read_truth(path: Path) -> tuple[dict[int, dict[int, Box]], dict[int, list[Box]]]:
    """Read true boxes by id, and ignored boxes (flag 0), per frame; ConfigError also for a file without a true box."""
    true, ignored = _read(path, flagged=True)
    if not true:
        raise ConfigError(f'{path} holds no true box; wanted lines frame,id,left,top,width,height,1')
    return true, ignored


def check_truth(path: Path) -> None:
    """Check a truth file and the installation of py-motmetrics before the work; ConfigError names the problem."""
    if importlib.util.find_spec('motmetrics') is None:
        raise ConfigError(_MISSING)
    read_truth(path)


def _read(path: Path, flagged: bool) -> tuple[dict[int, dict[int, Box]], dict[int, list[Box]]]:
    boxes: dict[int, dict[int, Box]] = {}
    ignored: dict[int, list[Box]] = {}
    try:
        lines = read_text_file(path, _LARGEST).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, 'strerror', None) or error
        raise ConfigError(f'{path} cannot be read as MOTChallenge text: {reason}') from error
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        where = f'{path}, line {number}'
        fields = [field for field in re.split(r'[\s,;]+', text.strip()) if field]
        try:
            frame, track_id, *box = map(float, fields[:6])
            flag = float(fields[6]) if flagged and len(fields) > 6 else 1.0
        except ValueError:
            frame = track_id = flag = math.nan
            box = []
        whole = frame == frame // 1 and track_id == track_id // 1
        if len(box) != 4 or not whole or not all(map(math.isfinite, (frame, track_id, flag, *box))):
            raise ConfigError(f'{where}: {text!r} is no track; wanted frame,id,left,top,width,height,...')
        if frame < 1 or min(box[2:]) <= 0:
            raise ConfigError(f'{where}: {text!r}; wanted frames from 1 and a width and height over 0')
        if flag == 0:
            ignored.setdefault(int(frame), []).append(Box(*box))
        elif int(track_id) in boxes.setdefault(int(frame), {}):
            raise ConfigError(f'{where}: id {int(track_id)} is twice in frame {int(frame)}; wanted one box per id')
        else:
            boxes[int(frame)][int(track_id)] = Box(*box)
    return boxes, ignored


def _motmetrics() -> ModuleType:
    try:
        import motmetrics
    except ImportError:
        raise ConfigError(_MISSING) from None
    return motmetrics


def _overlaps(a: list[Box], b: list[Box]) -> np.ndarray:
    return iou(boxes_to_rows(a), boxes_to_rows(b))


def scores(truth: Path, result: Path) -> dict[str, float]:
    """Score one MOTChallenge file against another: IDF1, MOTA, switches, misses, false alarms, true boxes.

    Raises ConfigError when a file cannot be read or py-motmetrics is not installed.
    """
    motmetrics = _motmetrics()
    (true, ignored), seen = read_truth(truth), read(result)
    accumulator = motmetrics.MOTAccumulator()
    for frame in sorted(true.keys() | seen.keys()):
        objects, hypotheses = true.get(frame, {}), seen.get(frame, {})
        overlap = _overlaps(list(objects.values()), list(hypotheses.values()))
        if frame in ignored and hypotheses:
            on_ignored = (_overlaps(ignored[frame], list(hypotheses.values())) >= SAME_FACE_IOU).any(axis=0)
            kept = np.logical_not(on_ignored) | (overlap >= SAME_FACE_IOU).any(axis=0)
            hypotheses = {track_id: box for (track_id, box), k in zip(hypotheses.items(), kept, strict=True) if k}
            overlap = overlap[:, kept]
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
