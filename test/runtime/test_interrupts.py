"""Ctrl-C during imports ends the process at once, with the status of an interrupt and without a traceback."""

import subprocess
import sys
from pathlib import Path

from conftest import ROOT

INTERRUPT = 'os.kill(os.getpid(), signal.SIGINT)'


def run(code: str) -> subprocess.CompletedProcess:
    code = f'import os, signal; from affect_perception.runtime.interrupts import exit_on_interrupt\n{code}'
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)


def test_an_interrupt_within_the_block_ends_the_process_at_once():
    done = run(f'with exit_on_interrupt():\n    {INTERRUPT}\n    print("not reached")')
    assert (done.returncode, done.stdout, done.stderr) == (130, '', '')


def test_an_interrupt_after_the_block_is_that_of_python():
    done = run(f'with exit_on_interrupt(): pass\ntry:\n    {INTERRUPT}\nexcept KeyboardInterrupt:\n    print("caught")')
    assert done.stdout == 'caught\n'


def test_a_handler_of_the_program_stays():
    own = 'signal.signal(signal.SIGINT, lambda *_: print("own"))'
    done = run(f'{own}\nwith exit_on_interrupt():\n    {INTERRUPT}\n    print("goes on")')
    assert done.stdout == 'own\ngoes on\n'


def test_the_command_line_imports_next_to_nothing_before_that():
    code = 'import affect_perception.cli, sys; print({"numpy", "cv2", "torch"} & set(sys.modules))'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout == 'set()\n'
    assert Path(ROOT, 'setup.cfg').read_text().count('affect_perception.cli:main') == 1
