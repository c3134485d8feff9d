"""Many recordings, each into a folder of its own: in parallel, on a Ray cluster, and safe to kill and continue.

An input is finished when its folder holds `finished.json`, written last, with a hash of everything that its results
depend on: the files of the input, all settings, the weights and the version. Such an input is not done again.
"""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import affect_perception
from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.offline.inputs import Input, file_hash, fingerprint
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings

FINISHED = 'finished.json'
SUMMARY = ('input', 'status', 'frames', 'frames_with_faces', 'faces', 'track_ids', 'bad_inputs', 'model', 'error')
_EVERY = 20  # frames between two words on how far it has come

Report = Callable[[float], None]  # told the share of a job that is done


@dataclass(frozen=True)
class Job:
    """One call of `offline.evaluate`; `options` are its further arguments, equal for all jobs."""

    name: str
    given: str
    out: Path
    source: SourceSettings
    tracker: TrackerSettings
    affect: AffectSettings
    options: dict[str, Any] = field(default_factory=dict)
    weight: int = 1  # bytes to read, by which the time left is estimated

    @property
    def key(self) -> str:
        """The hash of everything that the results depend on; threads and processes are not among it."""
        settings = [dataclasses.asdict(group) for group in (self.source, self.tracker, self.affect)]
        settings[0].pop('source')  # its place; what it is stands in the fingerprint
        settings[1].pop('detect_beside')
        settings[2].pop('threads')
        about = [
            affect_perception.__version__,
            fingerprint(Path(self.given)),
            settings,
            _identity(self.options),
            self._weights(),
        ]
        return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()

    def _weights(self) -> str | None:
        if self.options.get('start_from') == 'affect':
            return None
        from affect_perception.models.checkpoint import resolve

        path = resolve(self.affect.model)
        return _hash_once(path) if path.is_file() else None

    def finished(self) -> dict | None:
        """The metrics of an earlier run that would come out the same again."""
        try:
            found = json.loads((self.out / FINISHED).read_text())
            return found['metrics'] if found['key'] == self.key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _identity(value: Any) -> Any:
    """What JSON can hold of an option; a path stands for the files that are there."""
    if isinstance(value, Path):
        return [str(value), fingerprint(value) if value.exists() else None]
    if dataclasses.is_dataclass(value):
        return {
            f.name: _identity(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.name != 'command'  # as typed: with --jobs or without, the results are the same
        }
    if isinstance(value, dict):
        return {str(name): _identity(item) for name, item in value.items()}
    return [_identity(item) for item in value] if isinstance(value, list | tuple) else value


_hashes: dict[Path, str] = {}


def _hash_once(path: Path) -> str:
    if path not in _hashes:
        _hashes[path] = file_hash(path)
    return _hashes[path]


def make_jobs(
    inputs: list[Input],
    out: Path,
    source: SourceSettings,
    tracker: TrackerSettings,
    affect: AffectSettings,
    **options,
) -> list[Job]:
    """One job per input, with results in `out`/NAME."""
    return [
        Job(i.name, str(i.path), out / i.name, source.changed(source=str(i.path)), tracker, affect, options, i.size)
        for i in inputs
    ]


def work(job: Job, report: Report = lambda share: None) -> dict:
    """Evaluates one input: its metrics, or `{'error': why}` where it cannot be evaluated."""
    from affect_perception.evaluation.offline.runner import evaluate, write_json

    try:
        key = job.key
        (job.out / FINISHED).unlink(missing_ok=True)
        progress = _Progress(report)
        metrics = evaluate(job.given, job.out, job.source, job.tracker, job.affect, progress=progress, **job.options)
        write_json(job.out / FINISHED, {'key': key, 'metrics': metrics})
        return metrics
    except AffectPerceptionError as error:
        return {'error': str(error)}
    except Exception as error:  # a mistake of ours must not cost the other inputs
        return {'error': f'{type(error).__name__}: {error} (a mistake of ours: please report it)'}


class _Progress:
    """Wraps the frames of a job."""

    def __init__(self, report: Report):
        self._report = report

    def __call__(self, frames) -> Iterator:
        for index, item in enumerate(frames):
            if frames.length and index % _EVERY == 0:
                self._report(min(index / frames.length, 1.0))
            yield item


def run_batch(jobs: list[Job], out: Path, workers: int = 1, ray_address: str = '') -> dict:
    """Does what is not finished; prints the table, writes `summary.csv`, returns what the last line says.

    `workers` processes share the cores; with `ray_address` each input is a task of that cluster instead.
    """
    from tqdm import tqdm

    _check(jobs[0])
    results = {job.name: done for job in jobs if (done := job.finished()) is not None}
    earlier = set(results)
    todo = [job for job in jobs if job.name not in earlier]
    started = time.monotonic()
    with tqdm(total=sum(job.weight for job in jobs), unit='B', unit_scale=True, file=sys.stderr, disable=None) as bar:
        bar.update(sum(job.weight for job in jobs if job.name in earlier))
        bar.initial = bar.n  # for the time left: this went by at once
        progress = Bar(bar, todo, len(jobs))
        for job, result in _executed(todo, workers, ray_address, progress):
            results[job.name] = result
            progress.finish(job)
            if 'error' in result:
                bar.write(f'affect-perception: {job.name}: {result["error"]}', file=sys.stderr)
    rows = [_summary(job.name, results[job.name], job.name in earlier) for job in jobs]
    _write_summary(out / 'summary.csv', rows)
    print(_table(rows))
    count = {status: sum(row['status'] == status for row in rows) for status in ('done', 'kept', 'failed')}
    seconds = round(time.monotonic() - started, 1)
    totals = {name: sum(row[name] or 0 for row in rows) for name in ('frames', 'faces')}
    return {'inputs': len(rows), **count, **totals, 'seconds': seconds, 'out': str(out), 'results': rows}


def _check(job: Job) -> None:
    """Refuses once, before anything is done, what would make every input fail."""
    if job.options.get('start_from') != 'affect':
        from affect_perception.models.checkpoint import read_safetensors, resolve
        from affect_perception.runtime.devices import chosen_device

        chosen_device(job.affect.device)
        read_safetensors(resolve(job.affect.model), tensors=False)


def _executed(todo: list[Job], workers: int, ray_address: str, progress: Bar) -> Iterator[tuple[Job, dict]]:
    if ray_address:
        from affect_perception.evaluation.offline.parallel import on_ray

        return on_ray(work, todo, ray_address)
    if workers > 1 and len(todo) > 1:
        from affect_perception.evaluation.offline.parallel import in_processes

        return in_processes(work, todo, workers, progress.report)
    return ((job, work(job, lambda share, job=job: progress.report(job.name, share))) for job in todo)


class Bar:
    """One bar for all inputs, in bytes read; its time left rests on those of this run alone."""

    def __init__(self, bar, todo: list[Job], count: int):
        self._bar, self._weights = bar, {job.name: job.weight for job in todo}
        self._done = dict.fromkeys(self._weights, 0)
        self._count, self._left = count, len(todo)
        self._say()

    def report(self, name: str, share: float) -> None:
        done = round(share * self._weights[name])
        if done > self._done[name]:  # reports of a job may come after its end
            self._bar.update(done - self._done[name])
            self._done[name] = done

    def finish(self, job: Job) -> None:
        self.report(job.name, 1.0)
        self._left -= 1
        self._say()

    def _say(self) -> None:
        self._bar.set_postfix_str(f'{self._count - self._left} of {self._count} inputs')


def _summary(name: str, result: dict, earlier: bool) -> dict:
    status = 'failed' if 'error' in result else 'kept' if earlier else 'done'
    row = {column: result.get(column) for column in SUMMARY}
    bad = result.get('bad_input_counts')
    return row | {'input': name, 'status': status, 'bad_inputs': None if bad is None else sum(bad.values())}


def _write_summary(path: Path, rows: list[dict]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + '.part')
        with part.open('w', newline='', encoding='utf-8') as file:
            table = csv.DictWriter(file, SUMMARY, lineterminator='\n')
            table.writeheader()
            table.writerows(row | {'status': 'failed' if row['status'] == 'failed' else 'done'} for row in rows)
        os.replace(part, path)
    except OSError as error:
        raise AffectPerceptionError(f'{path} cannot be written: {error.strerror}') from None


def _table(rows: list[dict]) -> str:
    width = max(len(row['input']) for row in rows)
    lines = [f'{"input":<{width}}  {"":6} {"frames":>8} {"faces":>8} {"ids":>5} {"bad":>5}']
    for row in rows:
        if row['status'] == 'failed':
            lines.append(f'{row["input"]:<{width}}  failed  {row["error"]}')
            continue
        numbers = (row['frames'], row['faces'], row['track_ids'], row['bad_inputs'])
        frames, faces, ids, bad = ('-' if number is None else number for number in numbers)
        lines.append(f'{row["input"]:<{width}}  {row["status"]:6} {frames:>8} {faces:>8} {ids:>5} {bad:>5}')
    return '\n'.join(lines)
