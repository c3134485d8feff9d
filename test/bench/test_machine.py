"""CPU time and memory of this process, and the file of a result."""

import json
import mmap
import os

import pytest

from affect_perception.bench.machine import cpu_s, machine, resident_mb, save_result


@pytest.mark.skipif(not os.path.exists('/proc/self/task'), reason='needs the /proc of Linux')
def test_cpu_time_and_memory_of_this_process_are_counted():
    before_s, before_mb = cpu_s(), resident_mb()
    # Pages of their own: an array could lie in memory that an earlier test freed and that still counts as resident.
    with mmap.mmap(-1, 256 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as held:
        for page in range(0, len(held), mmap.PAGESIZE):
            held[page] = 1
        while cpu_s() < before_s + 0.05:
            pass
        assert resident_mb() > before_mb + 128


def test_result_is_written_as_json_with_its_folder(tmp_path):
    save_result({'machine': machine()}, tmp_path / 'new' / 'result.json')
    assert json.loads((tmp_path / 'new' / 'result.json').read_text())['machine']['python']
    save_result({}, None)  # no file wanted
