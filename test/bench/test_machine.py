"""CPU time and memory of this process, and the file of a result."""

import json
import os

import numpy as np
import pytest

from affect_perception.bench.machine import cpu_s, machine, resident_mb, save_result


@pytest.mark.skipif(not os.path.exists('/proc/self/task'), reason='needs the /proc of Linux')
def test_cpu_time_and_memory_of_this_process_are_counted():
    before_s, before_mb = cpu_s(), resident_mb()
    held = np.ones(4_000_000)
    while cpu_s() < before_s + 0.05:
        held += 1
    assert resident_mb() > before_mb + 20


def test_result_is_written_as_json_with_its_folder(tmp_path):
    save_result({'machine': machine()}, tmp_path / 'new' / 'result.json')
    assert json.loads((tmp_path / 'new' / 'result.json').read_text())['machine']['python']
    save_result({}, None)  # no file wanted
