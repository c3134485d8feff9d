"""Facts about this machine and process that go with every measurement, and the file of a result."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import platform
import subprocess
import time
from pathlib import Path

from affect_perception.runtime.devices import usable_cores


def machine() -> dict:
    """CPU, cores, date and git commit of a measurement."""
    cpuinfo = Path('/proc/cpuinfo')
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    model = next((line.split(':')[1].strip() for line in lines if 'model name' in line), platform.processor())
    flags = next((line.split(':')[1].split() for line in lines if line.startswith('flags')), [])
    commit = subprocess.run(
        ['git', 'describe', '--always', '--dirty'], cwd=Path(__file__).parent, capture_output=True, text=True
    ).stdout.strip()
    return {
        'cpu': model,
        'vectors': [flag for flag in ('avx2', 'avx512f', 'avx512_bf16', 'amx_bf16') if flag in flags],
        'cores': usable_cores(),
        'python': platform.python_version(),
        'date': datetime.date.today().isoformat(),
        'commit': commit,
    }


def save_result(result: dict, path: Path | None) -> None:
    """Write a result as JSON, if a path is given."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(result, indent=2) + '\n')


def resident_mb() -> float:
    """Resident memory of this process and its descendants in MB, without mapped files (the rendered scene).

    Memory that a fork shares with its template counts once.
    """
    for file, key in ('smaps_rollup', 'Pss_Anon:'), ('status', 'RssAnon:'):
        lines = [line.split() for text in _proc_files(file) for line in text.splitlines()]
        found = [int(line[1]) for line in lines if line and line[0] == key]
        if found:
            return sum(found) / 1024
    return float('nan')


def cpu_s() -> float:
    """CPU time in s of this process and its living descendants so far."""
    stats = [text.rpartition(')')[2].split() for text in _proc_files('stat')]
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)  # utime, stime
    return ticks / os.sysconf('SC_CLK_TCK') if stats else time.process_time()


def stolen_s() -> float:
    """CPU time in s that the host of a virtual machine has given to others so far (steal); 0 where unknown."""
    stat = Path('/proc/stat')
    fields = stat.read_text().split('\n')[0].split() if stat.is_file() else []
    return int(fields[8]) / os.sysconf('SC_CLK_TCK') if len(fields) > 8 else 0.0


def _proc_files(file: str) -> list[str]:
    """Text of that file in /proc for this process and its descendants; [] without /proc."""
    texts, processes = [], ['self']
    while processes:
        folder = Path('/proc') / processes.pop()
        with contextlib.suppress(OSError):  # the process has ended
            texts.append((folder / file).read_text())
            processes += [pid for task in folder.glob('task/*/children') for pid in task.read_text().split()]
    return texts
