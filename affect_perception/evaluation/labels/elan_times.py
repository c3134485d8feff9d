"""Times of the annotations of an ELAN document (EAF 3.0 schema), as ELAN itself derives them.

Alignable annotations refer to time slots, of which some have no time: ELAN spreads these evenly between the aligned
slots of their tier. Reference annotations take the time of their parent; several children of one parent on a tier
(symbolic subdivision) share the parent's time evenly, in the order of PREVIOUS_ANNOTATION.
"""

from __future__ import annotations

import math
from itertools import pairwise
from xml.etree.ElementTree import Element

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.text import parse_number

Interval = tuple[float, float]  # begin and end in s


class AnnotationTimes:
    """Begin and end of every annotation of a document, in s; `origin_s` is added.

    `get(id)` is the interval, `bounds(id)` the widest interval in which an annotation without a time must lie. Raises
    ConfigError for a slot whose time is no number.
    """

    def __init__(self, where: str, root: Element, origin_s: float) -> None:
        self._slots: list[str] = []
        self._at_s: dict[str, float] = {}
        for slot in root.iter('TIME_SLOT'):
            name, text = slot.get('TIME_SLOT_ID', ''), slot.get('TIME_VALUE')
            self._slots.append(name)
            if text is not None:
                value = parse_number(text)
                if math.isnan(value):
                    raise ConfigError(f'{where}: time slot {name!r} is at {text!r}; wanted milliseconds')
                self._at_s[name] = value * 1e-3 + origin_s
        self._order = {name: i for i, name in enumerate(self._slots)}
        self._known = dict(self._at_s)  # slots with a time of their own
        self._refs: dict[str, tuple[str, str]] = {}
        self._intervals: dict[str, Interval] = {}
        self._parents: dict[str, str] = {}
        for tier in _parents_first(root):
            self._align(tier)
            self._refer(tier)

    def get(self, annotation: str) -> Interval | None:
        """(begin, end) in s of an annotation; None where the document does not say."""
        return self._intervals.get(annotation)

    def bounds(self, annotation: str) -> Interval:
        """Interval between the aligned slots around an annotation; infinite where there are none."""
        for _ in range(len(self._parents)):
            annotation = self._parents.get(annotation, annotation)
        begin, end = (self._order.get(ref) for ref in self._refs.get(annotation, ('', '')))
        before = [self._known[s] for s in self._slots[: begin + 1] if s in self._known] if begin is not None else []
        after = [self._known[s] for s in self._slots[end:] if s in self._known] if end is not None else []
        low, high = (before[-1] if before else -math.inf), (after[0] if after else math.inf)
        return (low, high) if low <= high else (high, low)

    def _align(self, tier: Element) -> None:
        """Spread the slots without a time evenly between the aligned ones of their tier, then note the intervals."""
        annotations = list(tier.iter('ALIGNABLE_ANNOTATION'))
        refs = {
            a.get('ANNOTATION_ID', ''): (a.get('TIME_SLOT_REF1', ''), a.get('TIME_SLOT_REF2', '')) for a in annotations
        }
        used = {slot for pair in refs.values() for slot in pair if slot in self._order}
        slots = sorted(used, key=self._order.__getitem__)
        aligned = [i for i, slot in enumerate(slots) if slot in self._at_s]
        for i, j in pairwise(aligned):
            first, last = self._at_s[slots[i]], self._at_s[slots[j]]
            for k in range(i + 1, j):
                self._at_s[slots[k]] = first + (last - first) * (k - i) / (j - i)
        self._refs |= refs
        for name, (begin, end) in refs.items():
            if begin in self._at_s and end in self._at_s:
                self._intervals[name] = self._at_s[begin], self._at_s[end]

    def _refer(self, tier: Element) -> None:
        """Give the reference annotations of a tier the times of their parents."""
        children: dict[str, dict[str, str]] = {}  # by parent: annotation -> the one before it
        for annotation in tier.iter('REF_ANNOTATION'):
            parent, name = annotation.get('ANNOTATION_REF', ''), annotation.get('ANNOTATION_ID', '')
            self._parents[name] = parent
            children.setdefault(parent, {})[name] = annotation.get('PREVIOUS_ANNOTATION') or ''
        for parent, each in children.items():
            interval = self._intervals.get(parent)
            if interval is None:
                continue
            begin, step = interval[0], (interval[1] - interval[0]) / len(each)
            for i, name in enumerate(_in_order(each)):
                self._intervals[name] = begin + i * step, begin + (i + 1) * step


def _parents_first(root: Element) -> list[Element]:
    tiers = {tier.get('TIER_ID', ''): tier for tier in root.iter('TIER')}

    def depth(tier: Element) -> int:
        count, parent = 0, tiers.get(tier.get('PARENT_REF', ''))
        while parent is not None and count < len(tiers):
            count, parent = count + 1, tiers.get(parent.get('PARENT_REF', ''))
        return count

    return sorted(tiers.values(), key=depth)


def _in_order(previous: dict[str, str]) -> list[str]:
    """Annotations of one parent, each after its PREVIOUS_ANNOTATION; the document's order where that says nothing."""
    after = {before: name for name, before in previous.items() if before in previous}
    ordered: list[str] = []
    for name, before in previous.items():
        while before not in previous and name and name not in ordered:
            ordered.append(name)
            name = after.get(name, '')
    return ordered + [name for name in previous if name not in ordered]
