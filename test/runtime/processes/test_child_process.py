"""Child processes: messages arrive whole, a dead or hung child is noticed, none outlives its parent."""

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from conftest import ROOT, wait_until

from affect_perception.runtime.processes import child_process, child_watch
from affect_perception.runtime.processes.child_process import (
    ChildEnded,
    ChildHung,
    ChildProcess,
    ChildStarved,
    start_early,
)
from affect_perception.runtime.processes.child_watch import Progress, is_alive

ECHO = 'builders.echo_child'


@pytest.fixture
def child():
    child = ChildProcess('the echo', ECHO)
    child.start()
    yield child
    child.close()
    assert not child.running


def echoed(child: ChildProcess, *arrays: np.ndarray, **fields):
    child.send('say', *arrays, **fields)
    return child.receive()


def environment() -> dict[str, str]:
    return {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT / 'test'), *filter(None, sys.path)])}


def test_fields_and_arrays_come_back_exactly(child):
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    rows = np.array([[0.1, np.nan], [1e-300, -np.inf]])
    answer = echoed(child, image[:, ::-1], rows, np.zeros((0, 128), np.float32), stamp_ns=2**62 + 1, score=0.1 + 0.2)
    np.testing.assert_array_equal(answer.arrays[0], image[:, ::-1])
    np.testing.assert_array_equal(answer.arrays[1], rows)
    assert answer.arrays[2].shape == (0, 128)
    assert answer.arrays[2].dtype == np.float32
    assert answer.fields == {'kind_was': 'say', 'fields': {'stamp_ns': 2**62 + 1, 'score': 0.1 + 0.2}}


def test_a_child_that_was_started_early_is_taken_over_once():
    start_early(ECHO)
    early = child_process._early[ECHO].child.pid
    first, second = ChildProcess('the echo', ECHO), ChildProcess('the echo', ECHO)
    try:
        first.start()
        second.start()
        assert first.pid == early != second.pid
        assert echoed(first).kind == echoed(second).kind == 'echo'
    finally:
        first.close()
        second.close()


def test_a_child_that_was_started_early_and_has_ended_is_started_again():
    start_early(ECHO)
    run = child_process._early[ECHO]
    run.kill()
    child = ChildProcess('the echo', ECHO)
    child.start()
    try:
        assert child.pid != run.child.pid
        assert echoed(child).kind == 'echo'
    finally:
        child.close()


def test_an_interrupt_that_reaches_a_child_before_it_can_ignore_it_does_not_end_it():
    child = ChildProcess('the echo', ECHO)
    child.start()
    try:
        for number in (signal.SIGINT, signal.SIGTERM):  # now, while it imports
            os.kill(child.pid, number)
        assert echoed(child).kind == 'echo'
        os.kill(child.pid, signal.SIGINT)
        assert echoed(child).kind == 'echo'
    finally:
        child.close()


def test_what_the_child_prints_goes_to_stderr():
    code = (
        'from affect_perception.runtime.processes.child_process import ChildProcess; '
        f"c = ChildProcess('the echo', {ECHO!r}); c.start(); c.send('say'); print(c.receive().kind); c.close()"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment())
    assert done.stdout == 'echo\n'
    assert 'a library says hello' in done.stderr


def test_a_child_that_dies_over_a_message_is_an_error_and_can_be_started_again(child):
    child.send('sleep', seconds=60)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildEnded, match=r'the echo ended \(status -9\)'):
        child.receive()
    assert not child.running
    assert child.ended_early
    child.start()
    assert echoed(child, n=1).fields['fields'] == {'n': 1}


def test_a_stopped_child_is_noticed_and_killed(child):
    echoed(child)
    os.kill(child.pid, signal.SIGSTOP)
    child.send('say')
    with pytest.raises(ChildHung, match='the echo was stopped by a signal and was killed'):
        child.receive()
    assert child.status == -signal.SIGKILL


def test_a_child_that_waits_for_something_is_hung_after_its_limit(child):
    child.hung_s = 1.0
    child.send('sleep', seconds=60)
    with pytest.raises(ChildHung, match='the echo made no progress for 1 s and was killed'):
        child.receive()
    assert child.status == -signal.SIGKILL


def test_a_stopped_child_is_noticed_while_a_large_image_is_sent(child):
    os.kill(child.pid, signal.SIGSTOP)
    with pytest.raises(ChildHung):
        child.send('say', np.zeros((1080, 1920, 3), np.uint8))


def test_a_busy_child_is_no_hung_one(child, monkeypatch):
    monkeypatch.setattr(child_watch, 'progress', lambda pid: Progress(time.monotonic_ns(), False))
    child.hung_s = 0.5
    child.send('sleep', seconds=2)
    assert child.receive().fields['kind_was'] == 'sleep'


@pytest.mark.parametrize(('ticks_per_check', 'starved'), [(0, True), (25, False)])
def test_a_child_that_wants_to_run_and_gets_no_core_is_starved_and_a_busy_one_is_not(
    child, monkeypatch, ticks_per_check, starved
):
    used = iter(range(0, 10**6, max(ticks_per_check, 1)))
    monkeypatch.setattr(child_watch, 'progress', lambda pid: Progress(next(used) if ticks_per_check else 7, True))
    child.starved_s = 0.5
    child.send('sleep', seconds=2 if not starved else 60)
    if starved:
        with pytest.raises(ChildStarved, match='the echo got next to no CPU time'):
            child.receive()
        wait_until(lambda: child.status == -signal.SIGKILL)  # which needs a core
    else:
        assert child.receive().fields['kind_was'] == 'sleep'


def test_a_stopped_child_does_not_outlive_a_process_that_exits_in_a_hurry():
    code = (
        'import os, signal; from affect_perception.runtime.processes.child_process import ChildProcess; '
        f"c = ChildProcess('the echo', {ECHO!r}); c.start(); os.kill(c.pid, signal.SIGSTOP); print(c.pid, flush=True); "
        'raise KeyboardInterrupt'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, env=environment())
    wait_until(lambda: not is_alive(int(done.stdout)))


def test_a_silent_child_that_answers_pings_is_left_alone_and_a_stopped_one_is_not(child):
    child.hung_s = 1.5
    messages, errors = [], []

    def listen() -> None:
        try:
            while True:
                messages.append(child.receive(ping=True))
        except ChildEnded as error:
            errors.append(error)

    thread = threading.Thread(target=listen)
    thread.start()
    time.sleep(4)
    child.send('say', n=7)
    wait_until(lambda: messages)
    assert not errors
    os.kill(child.pid, signal.SIGSTOP)
    thread.join(60)
    assert isinstance(errors[0], ChildHung)


def test_closing_ends_a_stopped_child_under_the_thread_that_waits_for_it(child):
    os.kill(child.pid, signal.SIGSTOP)
    child.send('say')
    errors = []

    def receive() -> None:
        try:
            child.receive()
        except ChildEnded as error:
            errors.append(error)

    thread = threading.Thread(target=receive)
    thread.start()
    time.sleep(0.2)
    child.close('end', 1.0)
    thread.join(60)
    assert len(errors) == 1
    assert not child.running
    with pytest.raises(RuntimeError, match='the echo has been closed'):
        child.start()


def test_a_child_that_is_told_so_ends_by_itself(child):
    echoed(child)
    child.close('end', 10.0)
    assert child.status == 0


def test_a_child_ignores_the_signals_of_the_group_and_ends_with_its_parent_even_at_work():
    code = (
        'import time; from affect_perception.runtime.processes.child_process import ChildProcess; '
        f"c = ChildProcess('the echo', {ECHO!r}); c.start(); c.send('say'); c.receive(); "
        "c.send('sleep', seconds=60); print(c.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, env=environment())
    pid = int(parent.stdout.readline())
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    time.sleep(0.3)
    assert is_alive(pid)
    parent.kill()
    parent.communicate()
    wait_until(lambda: not is_alive(pid))
