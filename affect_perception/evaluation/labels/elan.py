"""Labels from ELAN documents (.eaf, Wittenburg et al. 2006), the annotation tool of Witzig et al. 2019.

A tier is named QUANTITY@PERSON@ANNOTATOR, such as `smile@left@anna`; what the name leaves out is taken from the tier's
PARTICIPANT and ANNOTATOR, else the person is `1` and the annotator the document's author. Times are of the medium that
is named as the recording, else of the first one.
"""

from __future__ import annotations

import math
from pathlib import Path, PurePosixPath
from urllib.parse import unquote
from xml.etree import ElementTree

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.elan_times import AnnotationTimes
from affect_perception.evaluation.labels.quantities import QUANTITIES, parse_value
from affect_perception.evaluation.labels.series import Labels, Series, series_from_segments
from affect_perception.evaluation.labels.text import parse_number


def read(path: Path, recording: str = '') -> Labels:
    """Read the tiers whose names begin with a quantity; ConfigError for no ELAN document or no such tier.

    `recording` is the name of the evaluated file, by which the medium is chosen.
    """
    try:
        root = ElementTree.parse(path).getroot()
    except (OSError, ElementTree.ParseError, ValueError, LookupError) as error:
        raise ConfigError(f'{path} cannot be read as an ELAN document: {error}') from None
    if root.tag != 'ANNOTATION_DOCUMENT':
        raise ConfigError(f'{path} is no ELAN document: its root is {root.tag}, wanted ANNOTATION_DOCUMENT')
    notes: list[str] = []
    times = AnnotationTimes(path.name, root, _time_origin(path, root, recording, notes))
    meanings = _vocabulary(root)
    tiers = [_read_tier(path, root, tier, times, meanings, notes) for tier in root.iter('TIER')]
    series = tuple(one for one in tiers if one is not None)
    if not series:
        names = ', '.join(repr(t.get('TIER_ID')) for t in root.iter('TIER')) or 'none'
        raise ConfigError(
            f'{path} has no labelled tier named QUANTITY@PERSON@ANNOTATOR (QUANTITY: {", ".join(QUANTITIES)}); '
            f'its tiers: {names}'
        )
    return Labels(series, tuple(notes))


def _time_origin(path: Path, root: ElementTree.Element, recording: str, notes: list[str]) -> float:
    """Time in s, in the evaluated medium, at which the document's time is 0."""
    header = root.find('HEADER')
    units = header.get('TIME_UNITS', 'milliseconds') if header is not None else 'milliseconds'
    if units != 'milliseconds':
        raise ConfigError(f'{path} counts time in {units!r}; wanted milliseconds, as ELAN writes')
    media = header.findall('MEDIA_DESCRIPTOR') if header is not None else []
    if not media:
        notes.append(f'{path.name} names no medium; its times are taken as seconds since the first frame')
        return 0.0
    names = [_medium_name(medium) for medium in media]
    wanted = Path(recording).name
    fits = [i for i, name in enumerate(names) if name == wanted]
    fits += [i for i, name in enumerate(names) if PurePosixPath(name).stem == Path(wanted).stem]
    index = fits[0] if fits else 0
    text = media[index].get('TIME_ORIGIN') or '0'
    origin = parse_number(text)
    if math.isnan(origin):
        raise ConfigError(f'{path}: TIME_ORIGIN of {names[index]!r} is {text!r}; wanted milliseconds')
    if wanted and not fits:
        notes.append(
            f'{path.name}: none of its media ({", ".join(names)}) is named as {wanted}; the time origin of the first, '
            f'{origin:g} ms, is used'
        )
    return origin * 1e-3


def _medium_name(medium: ElementTree.Element) -> str:
    url = medium.get('RELATIVE_MEDIA_URL') or medium.get('MEDIA_URL') or ''
    return PurePosixPath(unquote(url).replace('\\', '/')).name


def _vocabulary(root: ElementTree.Element) -> dict[str, list[str]]:
    """Descriptions and other languages of the entries of controlled vocabularies, by entry id and by word."""
    meanings: dict[str, list[str]] = {}
    for entry in root.iter('CV_ENTRY_ML'):
        values = entry.findall('CVE_VALUE')
        words = [v.text or '' for v in values] + [v.get('DESCRIPTION', '') for v in values]
        for key in (entry.get('CVE_ID', ''), *(v.text or '' for v in values)):
            meanings.setdefault(key.strip(), []).extend(words)
    for entry in root.iter('CV_ENTRY'):  # before format 2.8
        meanings.setdefault((entry.text or '').strip(), []).append(entry.get('DESCRIPTION', ''))
    return meanings


def _read_tier(
    path: Path,
    root: ElementTree.Element,
    tier: ElementTree.Element,
    times: AnnotationTimes,
    meanings: dict[str, list[str]],
    notes: list[str],
) -> Series | None:
    key = tier_key(tier.get('TIER_ID', ''), path, notes)
    if key is None:
        return None
    quantity, person, annotator = key
    person = person or tier.get('PARTICIPANT', '') or '1'
    annotator = annotator or tier.get('ANNOTATOR', '') or root.get('AUTHOR', '') or path.stem
    where = f'{path.name}, tier {tier.get("TIER_ID", "")!r}'
    segments, unlabelled = [], []
    for annotation in (a for kind in ('ALIGNABLE_ANNOTATION', 'REF_ANNOTATION') for a in tier.iter(kind)):
        name = annotation.get('ANNOTATION_ID', '')
        begin, end = times.get(name) or (math.nan, math.nan)
        if not begin < end:
            low, high = times.bounds(name) if math.isnan(begin) else (end, begin)
            unlabelled.append((low, high, math.nan))
            continue
        text = annotation.findtext('ANNOTATION_VALUE') or ''
        words = [text, *meanings.get(annotation.get('CVE_REF', ''), []), *meanings.get(text.strip(), [])]
        segments.append((begin, end, _first_value(quantity, words, f'{where}, at {begin:.2f} s')))
    if unlabelled:
        notes.append(
            f'{where}: {len(unlabelled)} segments without a beginning before their end; the time between the segments '
            'around them is not labelled'
        )
    if not segments:
        notes.append(f'{where} is empty: taken as not annotated')
        return None
    return series_from_segments(
        segments, notes, unlabelled, where=where, quantity=quantity, person=person, annotator=annotator
    )


def tier_key(name: str, path: Path, notes: list[str]) -> tuple[str, str, str] | None:
    """(quantity, person, annotator) of a tier's name, '' for a missing part; None, and a note, for other tiers."""
    quantity, person, annotator = ([part.strip() for part in name.split('@')] + ['', '', ''])[:3]
    if quantity.lower() not in QUANTITIES:
        notes.append(f'{path.name}: tier {name!r} names no quantity and is left out')
        return None
    return quantity.lower(), person, annotator


def _first_value(quantity: str, words: list[str], where: str) -> float:
    """Value of the first of the words that has one; ConfigError names the first word."""
    meant = [word for word in words[1:] if word.strip() and _has_value(quantity, word)]
    return parse_value(quantity, meant[0] if meant and not _has_value(quantity, words[0]) else words[0], where)


def _has_value(quantity: str, word: str) -> bool:
    try:
        parse_value(quantity, word, '')
    except ConfigError:
        return False
    return True
