"""Forks of a program that has loaded what its child needs: one import for both, and no fork outlives its parent."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from conftest import ROOT, wait_until

from affect_perception.runtime.processes.child_watch import is_alive
from affect_perception.runtime.processes.forked_child import CAN_FORK

pytestmark = pytest.mark.skipif(not CAN_FORK, reason='forks on Linux only')
PROGRAM = """
    import os, sys, threading
    from affect_perception.runtime.processes.child_process import ChildProcess
    from affect_perception.runtime.processes.forked_child import fork_early

    loaded = []

    def work(link):
        sys.stdout.write('a library says hello')
        sys.stdout.flush()
        while True:
            message = link.receive()
            link.send('answer', loaded=loaded, pid=os.getpid(), stdin=sys.stdin.read())
"""


def started(text: str, **options) -> subprocess.Popen:
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    code = textwrap.dedent(PROGRAM) + textwrap.dedent(text)
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, '-c', code], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment, **options
    )


def test_a_fork_has_what_its_parent_had_loaded_and_is_taken_over_by_the_next_start():
    program = started("""
        loaded.append('weights')
        assert fork_early('builders.echo_child', work)
        assert not fork_early('builders.echo_child', work)  # one waits already
        child = ChildProcess('the fork', 'builders.echo_child')
        child.start()
        child.send('say')
        fields = child.receive().fields
        assert fields == {'loaded': ['weights'], 'pid': child.pid, 'stdin': ''}, fields
        assert child.running and child.pid != os.getpid()
        child.kill()
        print(child.status, not child.running)
    """)
    out, err = program.communicate('what the user types', timeout=60)
    assert (program.returncode, out) == (0, '-9 True\n'), err
    assert 'a library says hello' in err


def test_a_fork_that_fails_says_why_and_its_parent_is_told():
    program = started("""
        def work(link):
            raise ImportError('no such library')
        assert fork_early('builders.echo_child', work)
        from affect_perception.runtime.processes import child_process
        run = child_process._early['builders.echo_child']
        print(run.child.wait(30))
    """)
    out, err = program.communicate(timeout=60)
    assert out == '1\n', err
    assert 'ImportError: no such library' in err


def test_a_program_with_threads_is_not_forked():
    program = started("""
        thread = threading.Thread(target=sys.stdin.read, daemon=True)
        thread.start()
        print(fork_early('builders.echo_child', work))
        os._exit(0)
    """)
    assert program.stdout.readline() == 'False\n'
    program.communicate(timeout=60)


def test_forks_end_with_their_parent_though_they_were_started_one_after_the_other():
    program = started("""
        from affect_perception.runtime.processes.child_process import end_with_parent
        def wait(link):
            end_with_parent(link)
            threading.Event().wait()
        for module in ('first', 'second'):
            assert fork_early(module, wait)
        from affect_perception.runtime.processes import child_process
        print(*(run.child.pid for run in child_process._early.values()), flush=True)
        threading.Event().wait()
    """)
    pids = [int(pid) for pid in program.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(is_alive, pids))
    os.kill(program.pid, signal.SIGKILL)
    program.wait(30)
    wait_until(lambda: not any(map(is_alive, pids)))
    program.communicate()
