"""Templates: loaded once, copied at each start; no copy outlives its parent, and a lost template is noticed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, wait_until

from affect_perception.runtime.processes import forked_child
from affect_perception.runtime.processes.child_process import ChildEnded, ChildHung
from affect_perception.runtime.processes.child_watch import is_alive
from affect_perception.runtime.processes.forked_child import CAN_FORK
from affect_perception.runtime.processes.template_process import TemplateProcess

pytestmark = pytest.mark.skipif(not CAN_FORK, reason='forks on Linux only')
MODULE = 'builders.template_child'


@pytest.fixture
def child():
    child = TemplateProcess('the copy', MODULE)
    child.start()
    assert child.receive().kind == 'ready'
    assert child.fork()
    yield child
    child.close()
    assert not child.running


def ask(child: TemplateProcess) -> dict[str, int]:
    child.send('say', np.zeros((480, 640, 3), np.uint8))
    answer = child.receive()
    assert answer.arrays[0].shape == (480, 640, 3)
    return answer.fields


def test_copies_are_forked_from_one_loaded_process(child):
    first = ask(child)
    assert first['pid'] == child.pid != first['loaded']
    assert child.fork()
    second = ask(child)
    assert second['loaded'] == first['loaded']
    assert second['pid'] == child.pid != first['pid']
    assert not is_alive(first['pid'])


def test_a_killed_copy_has_its_status_and_is_followed_by_another_one(child):
    before = ask(child)
    os.kill(child.pid, signal.SIGKILL)
    with pytest.raises(ChildEnded, match=r'the copy ended \(status -9\)'):
        child.receive()
    assert child.status == -signal.SIGKILL
    assert child.fork()
    assert ask(child)['loaded'] == before['loaded']


def test_a_stopped_copy_is_noticed_and_killed(child):
    os.kill(child.pid, signal.SIGSTOP)
    child.send('say')
    with pytest.raises(ChildHung, match='the copy was stopped by a signal'):
        child.receive()
    assert child.fork()
    ask(child)


@pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGSTOP])
def test_a_lost_template_is_noticed_and_a_start_makes_another_one(child, number):
    template = ask(child)['loaded']
    os.kill(template, number)
    assert not child.fork()
    assert not is_alive(template)
    child.start()
    child.receive()
    assert child.fork()
    assert ask(child)['loaded'] != template


def test_nothing_can_be_copied_before_the_first_start_and_after_the_end():
    child = TemplateProcess('the copy', MODULE)
    assert not child.fork()
    child.close()
    with pytest.raises(RuntimeError, match='the copy has been closed'):
        child.fork()


def test_template_and_copy_end_with_their_parent():
    code = (
        'import time; from affect_perception.runtime.processes.template_process import TemplateProcess; '
        f"c = TemplateProcess('the copy', {MODULE!r}); c.start(); c.receive(); c.fork(); c.send('say'); "
        "print(c.receive().fields['loaded'], c.pid, flush=True); time.sleep(60)"
    )
    environment = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(ROOT / 'test'), *filter(None, sys.path)])}
    parent = subprocess.Popen([sys.executable, '-c', code], stdout=subprocess.PIPE, text=True, env=environment)
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert all(map(is_alive, pids))
    parent.kill()
    parent.communicate()
    wait_until(lambda: not any(map(is_alive, pids)))


def test_a_killed_copy_that_gets_no_core_to_end_is_not_waited_for(child, monkeypatch):
    before = child.pid
    monkeypatch.setattr(forked_child, 'is_alive', lambda pid: pid == before)
    assert child.fork()
    assert child.pid != before
    assert child.fork(), 'which reaps it'
    wait_until(lambda: not Path(f'/proc/{before}').exists())
