"""Stamps of samples: jitter is removed, drift is followed, gaps are found."""

from __future__ import annotations

import numpy as np
import pytest

from affect_perception.audio.sample_clock import SampleClock

RATE, BLOCK = 48_000, 48_000


@pytest.mark.parametrize('ppm', [-100.0, 0.0, 100.0])
def test_a_day_of_a_crystal_that_is_off_does_not_drift(ppm):
    clock, rng = SampleClock(RATE), np.random.default_rng(0)
    worst = 0.0
    for i in range(86_400):
        true_ns = i * BLOCK / (RATE * (1 + ppm * 1e-6)) * 1e9
        stamp_ns, gap = clock.update(round(true_ns + rng.uniform(-5e6, 5e6)), BLOCK)
        assert not gap
        if i > 60:
            worst = max(worst, abs(stamp_ns - true_ns))
    assert worst < 5e6
    assert clock.measured_ppm == pytest.approx(ppm, abs=20)


def test_jitter_of_small_blocks_is_smoothed():
    clock, rng = SampleClock(16_000), np.random.default_rng(1)
    errors = []
    for i in range(1000):
        true_ns = i * 1e7
        stamp_ns, _ = clock.update(round(true_ns + rng.uniform(-8e6, 8e6)), 160)
        errors.append(stamp_ns - true_ns)
    assert np.std(errors[500:]) < 1e6


def test_a_missing_block_and_a_step_back_are_gaps():
    clock = SampleClock(16_000)
    for i in range(20):
        clock.update(i * 100_000_000, 1600)
    assert clock.update(2_500_000_000, 1600) == (2_500_000_000, True)
    assert clock.update(1_000_000_000, 1600) == (1_000_000_000, True)
    assert clock.update(1_100_000_000, 1600)[1] is False


def test_exact_stamps_are_taken_as_they_are():
    clock = SampleClock(44_100, exact=True)
    stamps = [round(i * 1024 / 44_100 * 1e9) for i in range(50)]
    assert [clock.update(stamp, 1024)[0] for stamp in stamps] == stamps
