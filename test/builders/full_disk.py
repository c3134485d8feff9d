"""Programs on a disk that is full, and messages to fill it with."""

import os
import subprocess
import sys

from conftest import ROOT


def put(writer, count: int, size: int) -> None:
    """Strings of `size` bytes, one each millisecond."""
    for i in range(count):
        text = bytes([0, 1, 0, 0]) + (size - 8).to_bytes(4, 'little') + b'a' * (size - 9) + b'\0'
        writer.put('/words', 'std_msgs/msg/String', 10**18 + i * 10**6, text)


def in_a_process_with_small_files(code: str) -> str:
    """Output of Python code where no file may be larger than 3 MB, as on a disk that is full."""
    limits = 'import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))'
    paths = os.pathsep.join([str(ROOT / 'test'), str(ROOT)])
    result = subprocess.run(
        [sys.executable, '-c', f'{limits}\n{code}'],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {'PYTHONPATH': paths},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
