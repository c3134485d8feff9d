"""AFEW and SFEW: a folder per split, in it a folder per expression, in it the clips or images of that expression.

AFEW (Dhall et al. 2012; EmotiW):  Train_AFEW/Angry/000046280.avi, Val_AFEW/…, Test_AFEW/… (or Train, Val, Test)
SFEW 2.0 (Dhall et al. 2011):      Train/Angry/MOVIE_000236960_00000045.png, or the aligned faces of 143×181 px in
                                   Train_Aligned_Faces/Angry/…, Val_Aligned_Faces[_new]/…, also one level deeper,
                                   Train/Train_Aligned_Faces/Angry/…

Expressions: Angry, Disgust, Fear, Happy, Neutral, Sad, Surprise. The labels of the test splits are not public: files
directly in the split folder are reported as without labels. Neither set names persons in its file names.

Sources: readme of EmotiW; albanie/mcnDatasets (afew3.0), Open-Debin/Emotion-FAN (data/face/readme.md) for AFEW; public
loaders of SFEW 2.0 that read Train/Train_Aligned_Faces and Val/Val_Aligned_Faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from affect_perception.datasets.adapters.reading import IMAGES, VIDEOS, Collector, expression_index, subfolders
from affect_perception.datasets.records import Clip, Listing
from affect_perception.evaluation.labels.quantities import EXPRESSIONS

_SPLITS = {'train': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val', 'test': 'test'}


def read_afew(src: Path, faces: str = 'auto') -> Listing:  # noqa: ARG001 - this set has videos only
    """List all clips of AFEW."""
    return _read(src, VIDEOS, 'detect')


def read_sfew(src: Path, faces: str = 'auto') -> Listing:
    """List all images of SFEW; aligned faces are taken as they are, unless `faces` is `detect`."""
    return _read(src, IMAGES, faces)


def _read(src: Path, suffixes: Sequence[str], faces: str) -> Listing:
    collect = Collector(src)
    clips: list[Clip] = []
    for folder in subfolders(src, 3):
        label, split = expression_index(folder.name), _split_of(folder, src)
        files = [p for p in sorted(folder.iterdir()) if p.suffix in suffixes] if split else []
        if not split or not files:
            continue
        if label is None:
            collect.add('no_label_file', folder, 0, f'{len(files)} files in no folder of an expression', len(files))
            continue
        given = 'aligned' in folder.parent.name.lower() and faces != 'detect'
        clips += [
            Clip(
                collect.name(file), '', split, file, values={'expression': float(label)},
                faces='given' if given or faces == 'given' else 'detect', label_file=collect.name(file),
            )
            for file in files
        ]  # fmt: skip
    if clips:
        collect.add('unknown_person', src, 0, f'{len(clips)} clips without the names of persons', len(clips))
    else:
        collect.add('no_label_file', src, 0, 'no Train/Angry, Val/Angry, … with files of this set')
    return Listing(tuple(clips), tuple(collect.found), {'expression': EXPRESSIONS[:7]})


def _split_of(folder: Path, src: Path) -> str:
    """Split that the nearest folder between `folder` and `src` is named after, or an empty string."""
    for part in reversed(folder.relative_to(src).parts):
        word = part.lower().split('_')[0]
        if word in _SPLITS:
            return _SPLITS[word]
    return ''
