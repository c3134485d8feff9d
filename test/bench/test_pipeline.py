"""Percentiles of the pipeline benchmark."""

import numpy as np
import pytest

pytest.importorskip('affect_perception.msg', reason='needs ROS 2 and the built messages (make set-up)')

from affect_perception.bench.pipeline import median_of_windows
from affect_perception.graph.run import percentiles

pytestmark = pytest.mark.ros


def test_bad_moment_is_in_the_percentiles_of_the_run_but_not_in_the_median_of_windows():
    latencies_ms = np.array([30.0] * 100 + [200.0] * 14 + [30.0] * 86)
    assert percentiles(latencies_ms)['p95'] > 100
    assert median_of_windows(latencies_ms, 40) == {'p50': 30.0, 'p95': 30.0, 'p99': 30.0}
    assert median_of_windows(latencies_ms[:5], 40)['p50'] == 30.0  # shorter than a window
    assert median_of_windows(np.empty(0), 40) == {'p50': None, 'p95': None, 'p99': None}
