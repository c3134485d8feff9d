"""What the benchmark of the pipeline works out beside the percentiles."""

import os

import numpy as np
import pytest

from affect_perception.bench.machine import cpu_s, resident_mb
from affect_perception.types import AffectFrame


def test_the_monitor_knows_the_longest_gap_between_results(ros):
    from affect_perception.nodes.monitor_node import MonitorNode
    from affect_perception.ros.conversions import affect_to_msg

    monitor = MonitorNode()
    for milliseconds in (0, 33, 133, 166):
        monitor._count(affect_to_msg(AffectFrame(1_000_000_000 + milliseconds * 1_000_000, '', 'model', ())))
    assert monitor.longest_gap_s == pytest.approx(0.1)
    assert (monitor.messages, monitor.last.stamp_ns) == (4, 1_166_000_000)
    monitor.destroy_node()


def test_a_bad_moment_is_in_the_percentiles_of_the_whole_and_not_in_those_of_the_stretches():
    from affect_perception.bench.pipeline import of_stretches
    from affect_perception.graph.run import percentiles

    latencies_ms = np.array([30.0] * 100 + [200.0] * 14 + [30.0] * 86)
    assert percentiles(latencies_ms)['p95'] > 100
    assert of_stretches(latencies_ms, 40) == {'p50': 30.0, 'p95': 30.0, 'p99': 30.0}
    assert of_stretches(latencies_ms[:5], 40)['p50'] == 30.0  # shorter than a stretch
    assert of_stretches(np.empty(0), 40) == {'p50': None, 'p95': None, 'p99': None}


@pytest.mark.skipif(not os.path.exists('/proc/self/task'), reason='needs the /proc of Linux')
def test_work_and_memory_of_this_process_are_counted():
    before_s, before_mb = cpu_s(), resident_mb()
    held = np.ones(4_000_000)
    while cpu_s() < before_s + 0.05:
        held += 1
    assert resident_mb() > before_mb + 20
