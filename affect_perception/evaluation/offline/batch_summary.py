"""Progress bar, `summary.csv` and console table of a batch."""

from __future__ import annotations

import csv
import os
from pathlib import Path

from tqdm import tqdm

from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.offline.batch_scores import smile_row
from affect_perception.evaluation.offline.jobs import Job
from affect_perception.sources.file_kinds import FAILED, LEFT_OUT, READ

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
    counts = {'input': name, 'status': status, 'bad_inputs': None if bad is None else sum(bad.values())}
    return row | counts | smile_row(result)


def file_rows(name: str, result: dict) -> list[dict]:
    """Rows of files.csv of one input: what became of each of its files."""
    if 'error' in result:
        return [{'file': name, 'status': FAILED, 'reason': result['error'], 'input': name}]
    files = [row for row in result.get('files', []) if row['status'] != LEFT_OUT]  # the batch lists those itself
    files = files or [{'file': name, 'status': READ, 'reason': ''}]  # of an earlier version
    alone = len(files) == 1 and files[0]['file'] == name
    return [row | {'file': row['file'] if alone else f'{name}/{row["file"]}', 'input': name} for row in files]


def write_summary(path: Path, rows: list[dict]) -> None:
    """Replace `summary.csv` at once; AffectPerceptionError where it cannot be written.

    The columns of smile scores are there if an input has smile labels.
    """
    columns = [*SUMMARY_COLUMNS, *(smile_row({}) if _scored(rows) else ())]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + '.part')
        with part.open('w', newline='', encoding='utf-8') as file:
            table = csv.DictWriter(file, columns, extrasaction='ignore', lineterminator='\n')
            table.writeheader()
            table.writerows(row | {'status': 'failed' if row['status'] == 'failed' else 'done'} for row in rows)
        os.replace(part, path)
    except OSError as error:
        raise AffectPerceptionError(f'{path} cannot be written: {error.strerror}') from None


def _scored(rows: list[dict]) -> bool:
    return any(row['smile_frames'] is not None for row in rows)


def format_table(rows: list[dict]) -> str:
    """Table of the summary for the console; with smile labels also faces scored and unscored, accuracy, F1 and κ."""
    width, scored = max(len(row['input']) for row in rows), _scored(rows)
    head = f'{"input":<{width}}  {"":6} {"frames":>8} {"faces":>8} {"ids":>5} {"bad":>5}'
    if scored:
        head += f' {"labelled":>9} {"no face":>8} {"unknown":>8} {"accuracy":>9} {"macro F1":>9} {"quad. κ":>8}'
    lines = [head]
    for row in rows:
        if row['status'] == 'failed':
            lines.append(f'{row["input"]:<{width}}  failed  {row["error"]}')
            continue
        numbers = (row['frames'], row['faces'], row['track_ids'], row['bad_inputs'])
        frames, faces, ids, bad = ('-' if number is None else number for number in numbers)
        line = f'{row["input"]:<{width}}  {row["status"]:6} {frames:>8} {faces:>8} {ids:>5} {bad:>5}'
        if scored:
            cells = [
                '-' if (v := row[name]) is None else f'{v:.3f}' if isinstance(v, float) else v for name in smile_row({})
            ]
            line += ''.join(f' {cell:>{size}}' for cell, size in zip(cells, (9, 8, 8, 9, 9, 8), strict=True))
        lines.append(line)
    return '\n'.join(lines)
