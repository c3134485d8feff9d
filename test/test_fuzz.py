"""Hostile input of every reader, generated: an error of ours, with a text, or a result; never another exception.

Twenty seconds in the suite, with the same cases on every run. `make fuzz` runs a million new ones, each within a
second of CPU time and all within 300 MB: FUZZ_CASES sets their number, and a case that fails is printed so that it can
be repeated. FUZZ_PROGRESS names a folder in which each reader keeps a line about its cases so far.
"""

import math
import os
import random
import time
from pathlib import Path

import pytest

hypothesis = pytest.importorskip('hypothesis', reason='needs hypothesis (extra `test`)')
for package in ('rosbags', 'aiohttp', 'torch'):
    pytest.importorskip(package, reason=f'needs {package}')

from builders import fuzz  # noqa: E402
from builders.bombs import peak_mb  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402

CASES = int(os.environ.get('FUZZ_CASES', '0'))
SHARES = {
    'checkpoints': 0.1,
    'bags': 0.3,
    'bag metadata': 0.3,
    'bag messages': 0.5,
    'pictures': 0.5,
    'sound files': 0.3,
}
SHARES = {name: SHARES.get(name, 1.0 if name in fuzz.AT_RANDOM else 0.3) for name in fuzz.TARGETS}
ROUND = 5000  # cases of hypothesis, which keeps all of a round in memory
MOST_MB = 300
MOST_S = 1.0  # of CPU time, which a busy machine does not lengthen; a case that waits runs into pytest's time-out
REPEATS = 3  # of a case that took longer: the first of its kind may have imported something
PROGRESS = os.environ.get('FUZZ_PROGRESS', '')


class Cases:
    """Runs the cases of one reader and keeps what they cost."""

    def __init__(self, target: str) -> None:
        self.target, self.count, self.slowest_s, self.start_mb = target, 0, 0.0, peak_mb()
        self.last: object = None

    def run(self, given: object) -> None:
        """One case, which fails for an exception that is not ours, and in a long run for its CPU time."""
        took_s = self._seconds(given)
        repeats = REPEATS
        while CASES and took_s >= MOST_S and repeats:
            took_s = min(took_s, self._seconds(given))
            repeats -= 1
        assert not CASES or took_s < MOST_S
        self.count, self.slowest_s = self.count + 1, max(self.slowest_s, took_s)
        if PROGRESS and self.count % 500 == 0:
            self.note('running')

    def _seconds(self, given: object) -> float:
        self.last, start_s = given, time.process_time()
        fuzz.run(self.target, given)
        return time.process_time() - start_s

    def grown_mb(self) -> float:
        return peak_mb() - self.start_mb

    def note(self, state: str) -> None:
        """Write the line of this reader."""
        if PROGRESS:
            cost = f'slowest {self.slowest_s:.2f} s, +{self.grown_mb():.0f} MB'
            file = Path(PROGRESS) / f'{self.target.replace(" ", "_")}.txt'
            file.write_text(f'{self.target}: {self.count} cases, {cost}, {state}\n')


@pytest.mark.parametrize('target', fuzz.TARGETS)
def test_hostile_input_is_read_or_refused(target):
    total = math.ceil(CASES * SHARES[target] / sum(SHARES.values())) if CASES else 60
    cases = Cases(target)
    try:
        if CASES and target in fuzz.AT_RANDOM:
            dice = random.Random()
            for _ in range(total):
                cases.run(fuzz.AT_RANDOM[target](dice))
        else:
            for done in range(0, total, ROUND):
                run_round(cases, min(ROUND, total - done))
    except BaseException as error:
        cases.note(f'failed: {type(error).__name__}: {cases.last!r}')
        raise
    cases.note('done')
    assert cases.grown_mb() < MOST_MB


def run_round(cases: Cases, count: int) -> None:
    @settings(
        max_examples=count,
        derandomize=not CASES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(given=fuzz.TARGETS[cases.target][0])
    def check(given):
        cases.run(given)

    check()
