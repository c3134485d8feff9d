"""SEWA (Kossaifi et al. 2019) in the layout of the AVEC challenges: valence, arousal and liking every 0.1 s.

Layout:

    labels/Train_DE_01.csv    no header, or name;timestamp;arousal;valence;liking; separated by ; (or ,), timestamp in s
    videos/Train_DE_01.avi    also .mp4; in videos/, video/, recordings/ or SRC

Partitions by name: Train, Devel (val) and Test, then the culture (DE, HU, CN) and a number; one person per recording.
A file with the columns frame instead of timestamp is read by frame. Values are in [-1, 1]; an empty value is not
labelled. The annotation delay is not compensated here.

Sources: AudioVisualEmotionChallenge/AVEC2018, scripts_CES/CES_data.py (delimiter, order of the columns: instance,
timestamp, then arousal, valence, liking; no header) and baseline_lstm.py (10 labels per s). The database itself,
https://db.sewaproject.eu, is by application and was not available; its own folders of one csv per dimension
are not read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from affect_perception.datasets.adapters.reading import Collector, Row, find_media, subfolders
from affect_perception.datasets.records import Clip, Listing
from affect_perception.evaluation.labels.series import Series, series_from_points

_COLUMNS = ('name', 'timestamp', 'arousal', 'valence', 'liking')
_SPLITS = {'train': 'train', 'devel': 'val', 'dev': 'val', 'test': 'test'}


def read(src: Path, faces: str = 'auto') -> Listing:  # noqa: ARG001 - this set has videos only
    """List all recordings that have labels."""
    collect = Collector(src)
    folders = subfolders(src, 2)
    tables = sorted(p for f in folders for p in f.glob('*.csv') if _split(p))
    if not tables:
        collect.add('no_label_file', src, 0, 'no labels/Train_DE_01.csv or another csv named by partition')
    clips = [_clip(table, folders, collect) for table in tables]
    return Listing(tuple(c for c in clips if c is not None), tuple(collect.found))


def _split(table: Path) -> str:
    return _SPLITS.get(table.stem.split('_')[0].lower(), '')


def _clip(table: Path, folders: list[Path], collect: Collector) -> Clip | None:
    series, last = _series(table, collect)
    if not series:
        return None
    video = find_media(folders, table.stem)
    if video is None:
        collect.add('missing_media', table, 0, f'no video {table.stem}.avi or .mp4')
        return None
    by_frame = series[0].unit == 'frame'
    return Clip(
        table.stem, table.stem, _split(table), video, series,
        labelled_frames=round(last) if by_frame else None, labelled_s=None if by_frame else last,
        label_file=collect.name(table), label_line=1,
    )  # fmt: skip


def _series(table: Path, collect: Collector) -> tuple[tuple[Series, ...], float]:
    """One series per labelled dimension, and the end of the labels (s, or frames)."""
    head = ((collect.text(table) or '').splitlines() or [''])[0]
    delimiter = ';' if ';' in head else ','
    named = 'arousal' in head.lower()
    header = () if named else _COLUMNS[: len(head.split(delimiter))]
    rows = collect.rows(table, ('arousal', 'valence'), header, delimiter)
    unit = 'frame' if rows and 'frame' in rows[0][1] else 'time'
    column = 'frame' if unit == 'frame' else 'timestamp'
    if rows and column not in rows[0][1]:
        collect.add('bad_line', table, 1, 'neither a column timestamp nor a column frame')
        return (), 0.0
    points: dict[str, dict[float, np.ndarray | float]] = {}  # floats only; the type is that of series_from_points
    for row in rows:
        _add_row(points, row, column, table, collect)
    found: list[Series] = []
    for quantity, values in points.items():
        missing = int(np.isnan(np.array(list(values.values()), float)).sum())
        if missing:
            collect.add('unlabelled', table, 0, f'{missing} labels of {quantity} are empty', missing)
        if missing < len(values):
            names = {'person': table.stem, 'annotator': 'SEWA', 'quantity': quantity, 'where': table.name}
            found.append(series_from_points(unit, values, **names))
    return tuple(found), max((float(s.ends[-1]) for s in found), default=0.0)


def _add_row(points: dict, entry: Row, column: str, table: Path, collect: Collector) -> None:
    line, row = entry
    position = collect.number(table, line, column, row[column], 0, 1e9)
    if position is None:
        return
    for quantity in ('arousal', 'valence', 'liking'):
        value = collect.number(table, line, quantity, row.get(quantity, ''), -1, 1) if quantity in row else None
        if value is not None:
            points.setdefault(quantity, {})[position] = value
