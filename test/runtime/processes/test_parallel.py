"""Items run in processes: results, reports of progress, and workers that die or whose parent is killed."""

import os
import signal
import subprocess
import sys

from builders.parallel_work import die_at_three, square
from conftest import ROOT, wait_until

from affect_perception.runtime.processes.parallel import WorkerDied, run_in_processes


def test_results_come_with_the_number_of_their_item_and_reports_reach_the_caller():
    told = []
    found = dict(run_in_processes(square, [5, 6, 7], 2, lambda number, what: told.append((number, what))))
    assert found == {0: 25, 1: 36, 2: 49}
    assert sorted(told) == [(0, 5), (1, 6), (2, 7)]


def test_a_report_that_fails_is_counted_and_the_work_goes_on(caplog):
    def report(number, what):
        raise ValueError('no bar')

    assert dict(run_in_processes(square, [5, 6], 2, report)) == {0: 25, 1: 36}
    assert 'progress of parallel work' in caplog.text


def test_items_of_a_worker_that_dies_have_the_reason_as_their_result():
    found = dict(run_in_processes(die_at_three, [3, 3], 2, lambda *_: None))
    assert all(isinstance(result, WorkerDied) and 'worker process died' in result for result in found.values())


def test_workers_end_when_their_parent_is_killed(tmp_path):
    code = (
        f'import sys; sys.path[:0] = [{str(ROOT / "test")!r}, {str(ROOT)!r}]\n'
        'from pathlib import Path\nfrom builders.parallel_work import sleep_with_pid\n'
        'from affect_perception.runtime.processes.parallel import run_in_processes\n'
        'if __name__ == "__main__":\n'
        f'    list(run_in_processes(sleep_with_pid, [Path({str(tmp_path / "x")!r})] * 2, 2, print))\n'
    )
    script = tmp_path / 'parent.py'
    script.write_text(code)
    parent = subprocess.Popen([sys.executable, str(script)])
    wait_until(lambda: sum(p.name.isdecimal() for p in tmp_path.iterdir()) == 2)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    workers = [int(p.name) for p in tmp_path.iterdir() if p.name.isdecimal()]
    wait_until(lambda: not any(_runs(worker) for worker in workers))


def _runs(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
