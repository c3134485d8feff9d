"""Frozen records that every adapter produces: clips with their labels, and findings with file and line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.series import Series
from affect_perception.sources.file_kinds import IMAGE_SUFFIXES
from affect_perception.types import Box

SPLITS = ('train', 'val', 'test')
FACES = ('detect', 'given')
SELECT = ('largest', 'left', 'right')
# Reactions of Hume-Reaction, in the order of its csv; quantities are named reaction_NAME.
REACTIONS = ('adoration', 'amusement', 'anxiety', 'disgust', 'empathic_pain', 'fear', 'surprise')

# Kinds of findings, each with the outcome for the data concerned.
KINDS = {
    'missing_media': 'video or image that labels name does not exist: clip skipped',
    'unreadable_media': 'video or image cannot be decoded: clip or rest of the clip skipped',
    'bad_line': 'line or file of labels that cannot be used: skipped',
    'annotation_longer': 'labels beyond the end of the video: dropped',
    'annotation_shorter': 'frames beyond the end of the labels: not used',
    'unlabelled': 'frames or clips marked as not labelled by the set: not used',
    'overlap': 'overlapping segments: each ends where the next begins',
    'empty_tier': 'tier without segments: taken as not annotated',
    'label_note': 'other remark of a label reader',
    'no_label_file': 'media without labels: skipped',
    'empty_class': 'class without samples in a split',
    'no_sound': 'video without usable sound: no audio features',
    'no_face': 'frames without the face of the labelled person: not used',
    'unknown_person': 'set that names no persons: person-disjoint splits cannot be checked',
    'made_split': 'split that this package made because the set names none',
}


@dataclass(frozen=True)
class Finding:
    """Problem of a data set: `count` items (frames, lines, clips) of `file`, at `line` (from 1; 0: no single line)."""

    kind: str
    file: str
    line: int
    text: str
    count: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f'no finding {self.kind!r}; one of {", ".join(KINDS)}')


@dataclass(frozen=True, eq=False)
class Clip:
    """One person in one video, image folder or image, with labels; `name` is unique within the data set.

    `media` is a video, an image, or a folder of face crops named by their frame from 1 (00001.jpg). `series` are
    labels per frame (by frame or time), `values` labels of the whole clip by quantity; class labels are indices of
    `evaluation.labels.quantities`. `faces` is `detect` (detector, tracker and crop of the live system) or `given` (the
    images are face crops already). `select` tells which face is meant where several are in view, and `box` the face
    box in px of a single image. `person` is empty where the set names no persons. `labelled_frames` is the number of
    frames that the labels cover, None where the labels have no length. `audio_features` is the path,
    below the prepared data set, of an array of audio features (frames × features), empty for none.
    """

    name: str
    person: str
    split: str
    media: Path
    series: tuple[Series, ...] = ()
    values: Mapping[str, float] = field(default_factory=dict)
    faces: str = 'detect'
    select: str = 'largest'
    box: Box | None = None
    labelled_frames: int | None = None
    labelled_s: float | None = None
    label_file: str = ''
    label_line: int = 0
    audio_features: str = ''

    def __post_init__(self) -> None:
        for value, allowed in ((self.split, SPLITS), (self.faces, FACES), (self.select, SELECT)):
            if value not in allowed:
                raise ValueError(f'clip {self.name}: {value!r} is none of {", ".join(allowed)}')

    @property
    def single_image(self) -> bool:
        """True for a medium that is one image."""
        return self.media.suffix.lower() in IMAGE_SUFFIXES


@dataclass(frozen=True, eq=False)
class Listing:
    """All clips of a data set, what was found wrong, and which classes of a quantity the set is said to have.

    A class in `classes` without a sample is a finding; where a quantity is not in it, those of any split count.
    """

    clips: tuple[Clip, ...]
    findings: tuple[Finding, ...]
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def quantities(self) -> tuple[str, ...]:
        """Labelled quantities in order of appearance."""
        found: dict[str, None] = {}
        for clip in self.clips:
            found.update(dict.fromkeys([*(s.quantity for s in clip.series), *clip.values]))
        return tuple(found)


def check_listing(name: str, src: Path, listing: Listing) -> None:
    """Refuse a data set without clips, with clips of equal names, or with a person in two splits (ConfigError)."""
    if not listing.clips:
        reasons = '; '.join(place(f) for f in listing.findings[:3])
        raise ConfigError(f'no usable clip of {name} in {src}' + (f': {reasons}' if reasons else ''))
    twice = [clip for clip, count in Counter(c.name for c in listing.clips).items() if count > 1]
    if twice:
        raise ConfigError(f'{name}: clip {twice[0]!r} is there twice; rename one')
    check_person_splits(listing.clips)


def check_person_splits(clips: Sequence[Clip]) -> None:
    """ConfigError names every person that is in two splits, with file and line of both."""
    first: dict[tuple[str, str], Clip] = {}
    splits: dict[str, set[str]] = {}
    for clip in clips:
        if clip.person:
            first.setdefault((clip.person, clip.split), clip)
            splits.setdefault(clip.person, set()).add(clip.split)
    mixed = sorted(person for person, found in splits.items() if len(found) > 1)
    if mixed:
        where = ' and '.join(
            f'{split} ({first[mixed[0], split].label_file}:{first[mixed[0], split].label_line})'
            for split in SPLITS
            if split in splits[mixed[0]]
        )
        more = f' (and {len(mixed) - 1} other persons)' if len(mixed) > 1 else ''
        raise ConfigError(f'person {mixed[0]!r} is in {where}{more}; give each person one split')


def place(finding: Finding) -> str:
    """`file:line: text` of a finding."""
    return f'{finding.file}:{finding.line}: {finding.text}' if finding.line else f'{finding.file}: {finding.text}'


def count_by_kind(findings: Iterable[Finding]) -> dict[str, int]:
    """Sum of the counts per kind, in the order of KINDS."""
    sums: Counter[str] = Counter()
    for finding in findings:
        sums[finding.kind] += finding.count
    return {kind: sums[kind] for kind in KINDS if kind in sums}
