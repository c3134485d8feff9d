"""Evaluate many recordings, each into a folder of its own: in parallel, on a Ray cluster, safe to kill and continue.

An input is finished when its folder holds `finished.json`, written last, with the key of its job. A finished input is
not evaluated again.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.offline.batch_scores import format_pooled, pooled_smile
from affect_perception.evaluation.offline.batch_summary import (
    BatchProgress,
    file_rows,
    format_table,
    summary_row,
    write_summary,
)  # fmt: skip
from affect_perception.evaluation.offline.jobs import FINISHED, Job, make_jobs
from affect_perception.evaluation.offline.tables import (
    FILE_COLUMNS,
    left_out_lines,
    write_files,
    write_json,
)
from affect_perception.runtime.files import make_folder, text_of_name
from affect_perception.sources.file_kinds import READ, FileStatus

__all__ = ['make_jobs', 'run_batch', 'run_job']
_EVERY = 20  # frames between two progress reports

ReportProgress = Callable[[float], None]  # gets the finished share of a job


def _ignore(_: float) -> None:
    pass


def run_job(job: Job, report: ReportProgress = _ignore) -> dict:
    """Evaluate one input; returns its metrics, or `{'error': reason}` for a failed input."""
    from affect_perception.evaluation.offline.runner import evaluate

    try:
        key = job.key
        (job.out / FINISHED).unlink(missing_ok=True)
        progress = _ReportingFrames(report)
        metrics = evaluate(job.given, job.out, job.source, job.tracker, job.affect, progress=progress, **job.options)
        write_json(job.out / FINISHED, {'key': key, 'metrics': metrics})
        return metrics
    except AffectPerceptionError as error:
        return {'error': str(error)}
    except Exception as error:  # noqa: BLE001  # a bug must not cost the other inputs; the summary shows its text
        return {'error': f'{type(error).__name__}: {error} (a bug: please report it)'}


class _ReportingFrames:
    """Wraps the frames of a job and reports the finished share."""

    def __init__(self, report: ReportProgress) -> None:
        self._report = report

    def __call__(self, frames: Any) -> Iterator:
        for index, item in enumerate(frames):
            if frames.length and index % _EVERY == 0:
                self._report(min(index / frames.length, 1.0))
            yield item


def run_batch(
    jobs: list[Job], out: Path, workers: int = 1, ray_address: str = '', left_out: Sequence[FileStatus] = ()
) -> dict:
    """Run the jobs that are not finished; prints the table, writes `summary.csv`, returns the last line of the command.

    `workers` processes share the cores; with `ray_address` each input is a task of that cluster instead. `left_out` are
    files beside the inputs: `files.csv` and `metrics.json` tell what became of every file given. Raises ConfigError for
    a model or device that would make every input fail, and a folder that cannot be written.
    """
    make_folder(out)
    _check(jobs[0])
    results = {job.name: done for job in jobs if (done := job.finished()) is not None}
    earlier = set(results)
    todo = [job for job in jobs if job.name not in earlier]
    started = time.monotonic()
    with tqdm(total=sum(job.weight for job in jobs), unit='B', unit_scale=True, file=sys.stderr, disable=None) as bar:
        bar.update(sum(job.weight for job in jobs if job.name in earlier))
        bar.initial = bar.n  # finished before: not part of the estimate of the time left
        progress = BatchProgress(bar, todo, len(jobs))
        for job, result in _run_all(todo, workers, ray_address, progress):
            results[job.name] = result
            progress.finish(job)
            if 'error' in result:
                bar.write(f'affect-perception: {job.name}: {result["error"]}', file=sys.stderr)
    rows = [summary_row(job.name, results[job.name], job.name in earlier) for job in jobs]
    write_summary(out / 'summary.csv', rows)
    files = [row for job in jobs for row in file_rows(job.name, results[job.name])]
    files += [status.as_row() | {'input': ''} for status in left_out]
    write_files(out / 'files.csv', files, (*FILE_COLUMNS, 'input'))
    print('\n'.join([format_table(rows), *left_out_lines(files)]))  # noqa: T201  # before the JSON line of the command
    smile = pooled_smile([job for job in jobs if 'error' not in results[job.name]])
    if smile is not None:
        print(format_pooled(smile))  # noqa: T201  # as above
    count = {status: sum(row['status'] == status for row in rows) for status in ('done', 'kept', 'failed')}
    seconds = round(time.monotonic() - started, 1)
    totals = {name: sum(row[name] or 0 for row in rows) for name in ('frames', 'faces')}
    totals |= {'files': len(files), 'left_out': sum(row['status'] != READ for row in files)}
    found = {'inputs': len(rows), **count, **totals, 'seconds': seconds, 'out': text_of_name(out), 'results': rows}
    found = found if smile is None else found | {'smile': smile}
    write_json(out / 'metrics.json', found | {'files': files})
    return found


def _check(job: Job) -> None:
    """Refuse a device or model that no job can use, before any work."""
    if job.options.get('start_from') != 'affect':
        from affect_perception.models.checkpoint import read_safetensors, resolve
        from affect_perception.runtime.devices import chosen_device

        chosen_device(job.affect.device)
        read_safetensors(resolve(job.affect.model), tensors=False)


def _run_all(todo: list[Job], workers: int, ray_address: str, progress: BatchProgress) -> Iterator[tuple[Job, dict]]:
    from affect_perception.evaluation.offline.parallel import run_in_processes, run_on_ray

    if ray_address:
        return run_on_ray(run_job, todo, ray_address)
    if workers > 1 and len(todo) > 1:
        return run_in_processes(run_job, todo, workers, progress.report)
    return _run_in_turn(todo, progress)


def _run_in_turn(todo: list[Job], progress: BatchProgress) -> Iterator[tuple[Job, dict]]:
    for job in todo:

        def report(share: float, name: str = job.name) -> None:
            progress.report(name, share)

        yield job, run_job(job, report)
