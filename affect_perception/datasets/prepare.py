"""`affect-perception prepare`: a data set in its official layout to shards of face crops, resumable after a kill.

A shard is done when its `NAME.json` is there, written last, with the key of its clips, labels, media and settings; a
done shard is not made again. `dataset.json` says `"complete": true` only when all shards are done.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

import affect_perception
from affect_perception.datasets import list_clips
from affect_perception.datasets.records import Clip, Finding, Listing, check_listing, count_by_kind
from affect_perception.datasets.shards import JPEG_QUALITY
from affect_perception.datasets.sound import SoundFeatures
from affect_perception.datasets.summary import merge_counts, missing_classes
from affect_perception.datasets.units import FORMAT, Report, Result, Unit, make_units, result_or_reason
from affect_perception.detectors import make_detector
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import CLASSES
from affect_perception.runtime.processes.parallel import run_in_processes, run_on_ray
from affect_perception.settings import TrackerSettings

MARK = 'dataset.json'


@dataclass(frozen=True)
class PrepareOptions:
    """Options of `prepare`: processes, address of a Ray cluster, which faces, which quantities (empty: all)."""

    jobs: int = 1
    ray: str = ''
    faces: str = 'auto'
    quantities: tuple[str, ...] = ()
    audio: str = ''  # features of the sound, as of the setting audio_features; empty: none


def prepare(name: str, src: Path, dst: Path, tracker: TrackerSettings, options: PrepareOptions) -> dict[str, Any]:
    """Prepare the data set `name`; returns the content of `dst`/dataset.json plus seconds and failed shards.

    Writes shards, `dataset.json` and `findings.csv`. Raises ConfigError for an unusable set, a person in two splits, an
    unusable detector, and a `dst` that holds something else.
    """
    if options.jobs < 1:
        raise ConfigError(f'--jobs {options.jobs} is no number of processes; give 1 or more')
    src, dst = src.absolute(), dst.absolute()
    listing = _filtered(list_clips(name, src, options.faces), options.quantities)
    check_listing(name, src, listing)
    if options.audio:
        sound = SoundFeatures(options.audio)  # likewise a missing package of the sound
    if any(clip.faces == 'detect' for clip in listing.clips):
        _close(make_detector(tracker))  # a missing one is refused before any work
    units = make_units(listing.clips, dst, listing.quantities, tracker, options.audio)
    about = _about(name, src, listing, tracker, units)
    if options.audio:
        about['audio'] = sound.about
    _claim(dst, name, units, about)
    started = time.monotonic()
    results, failed, kept = _run(units, options)
    findings = [*listing.findings, *(Finding(*f) for r in results.values() for f in r['findings'])]
    counts = merge_counts(units, results)
    if not failed:
        findings += missing_classes(counts, listing.classes)
    _write_findings(dst / 'findings.csv', findings)
    about |= {
        'complete': not failed, 'counts': counts, 'findings': count_by_kind(findings),
        'no_face_share': _share(results),
    }  # fmt: skip
    _write(dst / MARK, about)
    return {**about, 'failed': failed, 'kept_shards': kept, 'seconds': round(time.monotonic() - started, 1)}


def _filtered(listing: Listing, wanted: tuple[str, ...]) -> Listing:
    """The listing with the labels of the wanted quantities only, and without clips that have none of them."""
    if not wanted:
        return listing
    if unknown := sorted(set(wanted) - set(listing.quantities)):
        have = ', '.join(listing.quantities) or 'none'
        raise ConfigError(f'--quantities {",".join(unknown)}: the set labels {have}')
    clips: list[Clip] = []
    for clip in listing.clips:
        series = tuple(s for s in clip.series if s.quantity in wanted)
        values = {q: v for q, v in clip.values.items() if q in wanted}
        if series or values:
            clips.append(replace(clip, series=series, values=values))
    return replace(listing, clips=tuple(clips))


def _about(name: str, src: Path, listing: Listing, tracker: TrackerSettings, units: list[Unit]) -> dict[str, Any]:
    splits = dict.fromkeys(unit.name.split('-')[0] for unit in units)
    return {
        'name': name,
        'source': str(src),
        'version': affect_perception.__version__,
        'format': FORMAT,
        'crop_size': tracker.crop_size,
        'jpeg_quality': JPEG_QUALITY,
        'tracker': {n: getattr(tracker, n) for n in ('detector', 'detect_every', 'crop_margin', 'align', 'reid')},
        'clips': len(listing.clips),
        'persons': len({clip.person for clip in listing.clips if clip.person}),
        'quantities': list(listing.quantities),
        'classes': {q: list(CLASSES[q]) for q in listing.quantities if q in CLASSES},
        'shards': {split: [u.name for u in units if u.name.startswith(f'{split}-')] for split in splits},
        'complete': False,
    }


def _claim(dst: Path, name: str, units: list[Unit], about: Mapping[str, Any]) -> None:
    """Make `dst` ours: refuse a folder with other content, delete shards of a former division, write dataset.json."""
    mark = dst / MARK
    try:
        there = json.loads(mark.read_text())['name'] if mark.is_file() else None
    except (ValueError, KeyError, TypeError):
        raise ConfigError(f'{mark} is damaged; delete {dst}, or give another folder') from None
    if there not in (None, name):
        raise ConfigError(f'{dst} holds the prepared data set {there}; give another folder for {name}')
    if there is None and dst.exists() and (not dst.is_dir() or any(dst.iterdir())):
        raise ConfigError(f'{dst} is not empty and holds no prepared data set; give another folder')
    try:
        dst.mkdir(parents=True, exist_ok=True)
        _write(mark, about)
    except OSError as error:
        raise ConfigError(f'cannot write to {dst}: {error.strerror}; give another folder') from None
    names = {unit.name for unit in units}
    for split in ('train', 'val', 'test'):
        for path in dst.glob(f'{split}-[0-9][0-9][0-9][0-9][0-9].*'):
            if path.name.split('.')[0] not in names or path.suffix == '.part':
                path.unlink()


def _run(units: list[Unit], options: PrepareOptions) -> tuple[dict[str, dict], dict[str, str], int]:
    """Results by unit, reasons of failed units, and the number of shards kept from an earlier run."""
    results = {unit.name: done for unit in units if (done := unit.finished()) is not None}
    kept = len(results)
    todo = [unit for unit in units if unit.name not in results]
    failed: dict[str, str] = {}
    with tqdm(total=sum(len(u.clips) for u in units), unit='clip', file=sys.stderr, disable=None) as bar:
        bar.update(sum(len(u.clips) for u in units if u.name in results))
        bar.initial = bar.n  # done before: not part of the estimate of the time left
        frames = 0

        def report(count: int) -> None:
            nonlocal frames
            frames += count
            bar.set_postfix_str(f'{frames} frames')

        for unit, result in _run_all(todo, options, report):
            if isinstance(result, str):
                failed[unit.name] = result
                bar.write(f'affect-perception: {unit.name}: {result}', file=sys.stderr)
            else:
                results[unit.name] = result
            bar.update(len(unit.clips))
    return {u.name: results[u.name] for u in units if u.name in results}, failed, kept


def _run_all(todo: list[Unit], options: PrepareOptions, report: Report) -> Iterator[tuple[Unit, Result]]:
    if options.ray and todo:
        results = run_on_ray(result_or_reason, todo, options.ray)
    elif options.jobs > 1 and len(todo) > 1:
        results = run_in_processes(result_or_reason, todo, options.jobs, lambda _, frames: report(frames))
    else:  # one after the other: reading, detection and tracking of a video share two cores
        yield from ((unit, result_or_reason(unit, report)) for unit in todo)
        return
    for number, result in results:
        yield todo[number], result


def _share(results: Mapping[str, dict]) -> float | None:
    """Share of the labelled frames without the person's face (Witzig et al. 2019: 0.029); None without frames."""
    labelled = sum(r['labelled'] for r in results.values())
    return round(sum(r['no_face'] for r in results.values()) / labelled, 4) if labelled else None


def _write(path: Path, content: Mapping[str, Any]) -> None:
    temporary = path.with_suffix('.json.part')
    temporary.write_text(json.dumps(content, indent=1) + '\n')
    temporary.replace(path)


def _write_findings(path: Path, findings: list[Finding]) -> None:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(['kind', 'file', 'line', 'count', 'text'])
    rows.writerows([f.kind, f.file, f.line or '', f.count, f.text] for f in findings)
    path.write_text(text.getvalue(), encoding='utf-8')


def _close(detector: Any) -> None:
    close = getattr(detector, 'close', None)
    if close is not None:
        close()
