"""Progress bar, `summary.csv` and console table of a batch."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from tqdm import tqdm

from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.offline.jobs import Job

SUMMARY_COLUMNS = (
    'input', 'status', 'frames', 'frames_with_faces', 'faces', 'track_ids', 'bad_inputs', 'model', 'error',
)  # fmt: skip


class BatchProgress:
    """One progress bar for all inputs, in bytes read; the time left is estimated from this run alone."""

    def __init__(self, bar: tqdm, todo: list[Job], count: int) -> None:
        self._bar, self._weights = bar, {job.name: job.weight for job in todo}
        self._done = dict.fromkeys(self._weights, 0)
        self._count, self._left = count, len(todo)
        self._show_count()

    def report(self, name: str, share: float) -> None:
        """Set the finished share of a job, in [0, 1]."""
        done = round(share * self._weights[name])
        if done > self._done[name]:  # reports of a job may come after its end
            self._bar.update(done - self._done[name])
            self._done[name] = done

    def finish(self, job: Job) -> None:
        """Mark a job as finished."""
        self.report(job.name, 1.0)
        self._left -= 1
        self._show_count()

    def _show_count(self) -> None:
        self._bar.set_postfix_str(f'{self._count - self._left} of {self._count} inputs')


def summary_row(name: str, result: dict, earlier: bool) -> dict:
    """One row of the summary from the result of a job; `earlier`: finished by an earlier run."""
    status = 'failed' if 'error' in result else 'kept' if earlier else 'done'
    row = {column: result.get(column) for column in SUMMARY_COLUMNS}
    bad = result.get('bad_input_counts')
    return row | {'input': name, 'status': status, 'bad_inputs': None if bad is None else sum(bad.values())}


def write_summary(path: Path, rows: list[dict]) -> None:
    """Replace `summary.csv` at once; AffectPerceptionError where it cannot be written."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + '.part')
        with part.open('w', newline='', encoding='utf-8') as file:
            table = csv.DictWriter(file, SUMMARY_COLUMNS, lineterminator='\n')
            table.writeheader()
            table.writerows(row | {'status': 'failed' if row['status'] == 'failed' else 'done'} for row in rows)
        os.replace(part, path)
    except OSError as error:
        raise AffectPerceptionError(f'{path} cannot be written: {error.strerror}') from None


def format_table(rows: list[dict]) -> str:
    """Table of the summary for the console."""
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
