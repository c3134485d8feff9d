"""RAF-DB basic (Li et al. 2017): an expression of seven per image.

Layout (SRC may be the folder `basic` or its parent):

    EmoLabel/list_patition_label.txt        `train_00001.jpg 5`; the official spelling
    Image/original/train_00001.jpg          photographs
    Image/aligned/train_00001_aligned.jpg   100×100 aligned faces
    Annotation/boundingbox/train_00001_boundingbox.txt   x1 y1 x2 y2 in the original

Labels: 1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral. The split (train, test) is the
prefix. The originals are preferred, with the detector; without them, or with `given`, the aligned faces are taken.

Sources: http://www.whdeng.cn/RAF/model1.html and its readme; public loaders that read EmoLabel/list_patition_label.txt
with `sep=' '` and Image/aligned/NAME_aligned.jpg.
"""

from __future__ import annotations

from pathlib import Path

from affect_perception.datasets.adapters.reading import Collector, expression_index
from affect_perception.datasets.records import Clip, Listing
from affect_perception.types import Box

_LABELS = ('surprise', 'fear', 'disgust', 'happiness', 'sadness', 'anger', 'neutral')


def read(src: Path, faces: str = 'auto') -> Listing:
    """List all labelled images."""
    collect = Collector(src)
    root = next((r for r in (src, src / 'basic') if (r / 'EmoLabel').is_dir()), src)
    table = root / 'EmoLabel' / 'list_patition_label.txt'
    lines = (collect.text(table) or '').splitlines()
    found = [_clip(root, table, n, line, faces, collect) for n, line in enumerate(lines, 1) if line.strip()]
    clips = tuple(clip for clip in found if clip is not None)
    if clips:
        collect.add('unknown_person', table, 0, f'{len(clips)} images without the names of persons', len(clips))
    return Listing(clips, tuple(collect.found), {'expression': _LABELS})


def _clip(root: Path, table: Path, number: int, line: str, faces: str, collect: Collector) -> Clip | None:
    fields = line.split()
    if len(fields) != 2 or fields[1] not in tuple('1234567'):
        collect.add('bad_line', table, number, f'{line!r}; wanted the name of an image and a label of 1 to 7')
        return None
    stem = Path(fields[0]).stem
    split = next((s for s in ('train', 'test') if stem.startswith(f'{s}_')), '')
    if not split:
        collect.add('bad_line', table, number, f'{fields[0]!r} begins with neither train_ nor test_')
        return None
    original = root / 'Image' / 'original' / f'{stem}.jpg'
    aligned = root / 'Image' / 'aligned' / f'{stem}_aligned.jpg'
    order = {'detect': (original,), 'given': (aligned,)}.get(faces, (original, aligned))
    media = next((path for path in order if path.is_file()), None)
    if media is None:
        collect.add('missing_media', table, number, f'no {" or ".join(collect.name(p) for p in order)}')
        return None
    label = expression_index(_LABELS[int(fields[1]) - 1])
    return Clip(
        stem, '', split, media, values={'expression': float(label or 0)},
        faces='detect' if media == original else 'given', box=_box(root, stem) if media == original else None,
        label_file=collect.name(table), label_line=number,
    )  # fmt: skip


def _box(root: Path, stem: str) -> Box | None:
    """Face box of the set in the original image, or None without one that can be read."""
    try:
        text = (root / 'Annotation' / 'boundingbox' / f'{stem}_boundingbox.txt').read_text()
        x1, y1, x2, y2 = map(float, text.split()[:4])
    except (OSError, ValueError):
        return None
    return Box(x1, y1, x2 - x1, y2 - y1) if x2 > x1 and y2 > y1 else None
