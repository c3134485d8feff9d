"""Labels from ELAN documents (.eaf, Wittenburg et al. 2006), the annotation tool of Witzig et al. 2019.

A tier is named QUANTITY@PERSON@ANNOTATOR, such as `smile@left@anna`; what the name leaves out is taken from the tier's
PARTICIPANT and ANNOTATOR, else the person is `1` and the annotator the document's author. Times are of the first
medium.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import QUANTITIES, parse_value
from affect_perception.evaluation.labels.series import Labels, Series, series_from_segments


def read(path: Path) -> Labels:
    """Read the tiers whose names begin with a quantity; ConfigError for no ELAN document or no such tier."""
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError) as error:
        raise ConfigError(f'{path} cannot be read as an ELAN document: {error}') from None
    if root.tag != 'ANNOTATION_DOCUMENT':
        raise ConfigError(f'{path} is no ELAN document: its root is {root.tag}, wanted ANNOTATION_DOCUMENT')
    notes: list[str] = []
    unit_s, origin_s = _time_scale(path, root, notes)
    slots = {slot.get('TIME_SLOT_ID', ''): slot.get('TIME_VALUE') for slot in root.iter('TIME_SLOT')}
    at_s = {name: float(value) * unit_s + origin_s for name, value in slots.items() if value is not None}
    tiers = [_read_tier(path, root, tier, at_s, notes) for tier in root.iter('TIER')]
    series = tuple(one for one in tiers if one is not None)
    if not series:
        names = ', '.join(repr(t.get('TIER_ID')) for t in root.iter('TIER')) or 'none'
        raise ConfigError(
            f'{path} has no labelled tier named QUANTITY@PERSON@ANNOTATOR (QUANTITY: {", ".join(QUANTITIES)}); '
            f'its tiers: {names}'
        )
    return Labels(series, tuple(notes))


def _time_scale(path: Path, root: ElementTree.Element, notes: list[str]) -> tuple[float, float]:
    """Seconds per time unit, and the time in the first medium at which the document's time is 0."""
    header = root.find('HEADER')
    medium = header.find('MEDIA_DESCRIPTOR') if header is not None else None
    if medium is None:
        notes.append(f'{path.name} names no medium; its times are taken as seconds since the first frame')
    origin = medium.get('TIME_ORIGIN', '0') if medium is not None else '0'
    units = header.get('TIME_UNITS', 'milliseconds') if header is not None else 'milliseconds'
    if units != 'milliseconds':
        raise ConfigError(f'{path} counts time in {units!r}; wanted milliseconds, as ELAN writes')
    return 1e-3, float(origin) * 1e-3


def _read_tier(
    path: Path, root: ElementTree.Element, tier: ElementTree.Element, at_s: dict[str, float], notes: list[str]
) -> Series | None:
    name = tier.get('TIER_ID', '')
    quantity, person, annotator = ([part.strip() for part in name.split('@')] + ['', '', ''])[:3]
    if quantity.lower() not in QUANTITIES:
        notes.append(f'{path.name}: tier {name!r} names no quantity and is left out')
        return None
    quantity = quantity.lower()
    person = person or tier.get('PARTICIPANT', '') or '1'
    annotator = annotator or tier.get('ANNOTATOR', '') or root.get('AUTHOR', '') or path.stem
    where = f'{path.name}, tier {name!r}'
    segments, timeless = [], 0
    for annotation in tier.iter('ALIGNABLE_ANNOTATION'):
        begin, end = (at_s.get(annotation.get(f'TIME_SLOT_REF{i}', '')) for i in (1, 2))
        if begin is None or end is None or end <= begin:
            timeless += 1
            continue
        value = parse_value(quantity, annotation.findtext('ANNOTATION_VALUE', ''), f'{where}, at {begin:.2f} s')
        segments.append((begin, end, value))
    if timeless:
        notes.append(f'{where}: {timeless} segments without a beginning before their end are left out')
    if not segments:
        notes.append(f'{where} is empty: taken as not annotated')
        return None
    return series_from_segments(segments, notes, where=where, quantity=quantity, person=person, annotator=annotator)
