"""What a figure was measured on."""

from __future__ import annotations

import contextlib
import datetime
import os
import platform
import subprocess
import time
from pathlib import Path

from affect_perception.runtime.devices import usable_cores


def machine() -> dict:
    """What a figure was measured on, and on which state of the code."""
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


def resident_mb() -> float:
    """Memory of this process and its children without the pages of mapped files (the rendered scene)."""
    lines = [line.split() for text in _family('status') for line in text.splitlines()]
    found = [int(line[1]) for line in lines if line and line[0] == 'RssAnon:']
    return sum(found) / 1024 if found else float('nan')


def cpu_s() -> float:
    """Seconds of a core that this process and its living children have used so far."""
    stats = [text.rpartition(')')[2].split() for text in _family('stat')]
    ticks = sum(int(stat[11]) + int(stat[12]) for stat in stats)  # utime, stime
    return ticks / os.sysconf('SC_CLK_TCK') if stats else time.process_time()


def stolen_s() -> float:
    """Seconds of cores that the host of a virtual machine has given to others so far; 0 where nobody says."""
    stat = Path('/proc/stat')
    fields = stat.read_text().split('\n')[0].split() if stat.is_file() else []
    return int(fields[8]) / os.sysconf('SC_CLK_TCK') if len(fields) > 8 else 0.0


def _family(file: str) -> list[str]:
    """What that file of /proc says of this process and its children; empty where there is no /proc."""
    tasks = Path('/proc/self/task').glob('*/children')
    processes = ['self', *(pid for task in tasks for pid in task.read_text().split())]
    texts = []
    for process in processes:
        with contextlib.suppress(OSError):  # it has just ended
            texts.append((Path('/proc') / process / file).read_text())
    return texts
