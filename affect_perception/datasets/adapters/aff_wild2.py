"""Aff-Wild2 as released for the ABAW challenges (Kollias & Zafeiriou 2018): valence and arousal, expressions.

Layout:

    .../VA_Estimation_Challenge/Train_Set/VIDEO.txt         or VA_Set/
    .../EXPR_Recognition_Challenge/Validation_Set/VIDEO.txt or EXPR_Classification_Challenge/, EXPR_Set/
    batch1/VIDEO.mp4, batch2/VIDEO.avi                      videos, also directly in SRC or videos/
    cropped_aligned/VIDEO/00001.jpg                         112×112 crops by frame from 1, frames without a face missing

Line 1 of a text names the columns, line k + 2 is frame k; -5 (valence, arousal) and -1 (expression) mean not labelled.
A text VIDEO_left.txt or VIDEO_right.txt labels the left or the right person of VIDEO. The set names no persons: the
person is the name of the text, which the official splits keep apart.

Sources: https://ibug.doc.ic.ac.uk/resources/aff-wild2/ and the readme of the ABAW challenges; folder names in the
public entries to ABAW 3, 5 and 6. The multi-task (MTL) list and the action units are not read.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from affect_perception.datasets.adapters.reading import Collector, find_media, subfolders
from affect_perception.datasets.records import Clip, Listing
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels import affwild2
from affect_perception.evaluation.labels.quantities import EXPRESSIONS
from affect_perception.evaluation.labels.series import Series

_SPLITS = {'Train_Set': 'train', 'Training_Set': 'train', 'Validation_Set': 'val', 'Test_Set': 'test'}
CLASSES = {'expression': tuple(name for name in EXPRESSIONS if name != 'contempt')}
_CROPS = ('cropped_aligned', 'cropped_aligned_new_50_vids', 'cropped')


def read(src: Path, faces: str = 'auto') -> Listing:
    """List all labelled persons; `faces` `given` takes the folders of crops, else videos are preferred."""
    collect = Collector(src)
    folders = subfolders(src, 4, _CROPS)
    series: dict[tuple[str, str], list[Series]] = {}  # by text name and split
    texts: dict[tuple[str, str], Path] = {}
    for folder in folders:
        if folder.name in _SPLITS:
            for path in sorted(folder.glob('*.txt')):
                key = path.stem, _SPLITS[folder.name]
                texts.setdefault(key, path)
                series.setdefault(key, []).extend(_read_text(path, collect))
    if not texts:
        collect.add('no_label_file', src, 0, f'no {", ".join(_SPLITS)} folder with text files')
    clips = [_clip(key, found, texts[key], src, folders, faces, collect) for key, found in series.items() if found]
    return Listing(tuple(c for c in clips if c is not None), tuple(collect.found), CLASSES)


def _read_text(path: Path, collect: Collector) -> tuple[Series, ...]:
    try:
        labels = affwild2.read(path)
    except ConfigError as error:
        line = re.search(r'line (\d+): (.*)', str(error))
        collect.add('bad_line', path, int(line[1]) if line else 1, line[2] if line else str(error))
        return ()
    if not labels.series:
        collect.add('unlabelled', path, 0, 'labels no frame; the clip is skipped')
        return ()
    missing = np.isnan(labels.series[0].values)
    if missing.any():
        first = int(np.flatnonzero(missing)[0]) + 2
        name = labels.series[0].quantity
        collect.add('unlabelled', path, first, f'{missing.sum()} frames without {name} (-5 or -1)', int(missing.sum()))
    return labels.series


def _clip(
    key: tuple[str, str], series: list[Series], text: Path, src: Path, folders: list[Path], faces: str,
    collect: Collector,
) -> Clip | None:  # fmt: skip
    stem, split = key
    side = next((s for s in ('left', 'right') if stem.endswith(f'_{s}')), '')
    crops = next((f for name in _CROPS if (f := src / name / stem).is_dir()), None)
    video = None if faces == 'given' else find_media(folders, stem.removesuffix(f'_{side}') if side else stem)
    if video is None and (crops is None or faces == 'detect'):
        wanted = f'cropped_aligned/{stem}' if faces == 'given' else f'{stem}.mp4, .avi'
        collect.add('missing_media', text, 0, f'neither {wanted} nor another file of this video is in {src}')
        return None
    return Clip(
        name=stem,
        person=stem,
        split=split,
        media=video or crops or src,
        series=tuple(series),
        faces='detect' if video else 'given',
        select=side or 'largest',
        labelled_frames=max(len(s.values) for s in series),
        label_file=collect.name(text),
        label_line=1,
    )
