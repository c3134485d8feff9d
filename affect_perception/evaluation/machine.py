"""What a figure was measured on."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from pathlib import Path


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
        'cores': len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count(),
        'python': platform.python_version(),
        'date': datetime.date.today().isoformat(),
        'commit': commit,
    }


def resident_mb() -> float:
    """Memory of this process without the pages of mapped files (the rendered scene)."""
    for line in Path('/proc/self/status').read_text().splitlines():
        if line.startswith('RssAnon:'):
            return int(line.split()[1]) / 1024
    return float('nan')
