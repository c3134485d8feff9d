"""Hostile input of every reader, generated: an error of ours, with a text, or a result; never another exception.

Twenty seconds in the suite, with the same cases on every run. `make fuzz` runs a million new ones, each within a
second of CPU time and all within 300 MB: FUZZ_CASES sets their number, and a case that fails is printed so that it can
be repeated.
"""

import os
import time

import pytest

hypothesis = pytest.importorskip('hypothesis', reason='needs hypothesis (extra `test`)')
for package in ('rosbags', 'aiohttp', 'torch'):
    pytest.importorskip(package, reason=f'needs {package}')

from builders import fuzz  # noqa: E402
from builders.bombs import peak_mb  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402

CASES = int(os.environ.get('FUZZ_CASES', '0'))
SHARES = {'bags': 0.3, 'bag metadata': 0.3, 'bag messages': 0.3, 'checkpoints': 0.3, 'pictures': 0.5}
MOST_MB = 300
MOST_S = 1.0  # of CPU time, which a busy machine does not lengthen; a case that waits runs into pytest's time-out


@pytest.mark.parametrize('target', fuzz.TARGETS)
def test_hostile_input_is_read_or_refused(target):
    total = CASES // len(fuzz.TARGETS) if CASES else 60
    options = {
        'max_examples': max(int(total * SHARES.get(target, 1.0)), 1),
        'derandomize': not CASES,
        'database': None,
        'deadline': None,
        'suppress_health_check': list(HealthCheck),
    }

    @settings(**options)
    @given(given=fuzz.TARGETS[target][0])
    def check(given):
        start_s = time.process_time()
        fuzz.run(target, given)
        assert not CASES or time.process_time() - start_s < MOST_S

    before = peak_mb()
    check()
    assert peak_mb() - before < MOST_MB
