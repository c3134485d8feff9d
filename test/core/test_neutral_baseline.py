"""Neutral baseline: median intensity of a person's first seconds, subtracted from later intensities."""

import pytest

from affect_perception.core.neutral_baseline import NeutralBaseline

SECOND = 1_000_000_000
FRAME = SECOND // 30


def test_without_a_baseline_nothing_is_subtracted():
    baseline = NeutralBaseline(1.0)
    assert [baseline.adjusted(1, 0.4, i * FRAME) for i in range(60)] == [0.4] * 60


def test_a_neutral_face_that_looks_like_a_smile_is_subtracted_once_it_is_known():
    baseline = NeutralBaseline(1.0, personal=True)
    read = [baseline.adjusted(1, 0.4, i * FRAME) for i in range(40)]
    assert read[0] == 0.4
    assert read[-1] == 0
    assert baseline.adjusted(1, 1.0, 2 * SECOND) == 1
    assert baseline.adjusted(1, 0.7, 2 * SECOND) == pytest.approx(0.5)  # half of the way to the strongest so far
    assert baseline.adjusted(2, 0.4, 2 * SECOND) == 0.4  # somebody else


def test_a_smile_is_not_taken_for_a_neutral_face_and_forgotten_people_are_learnt_anew():
    baseline = NeutralBaseline(0.5, personal=True)
    for i in range(30):
        baseline.adjusted(1, 0.95, i * FRAME)
    assert baseline.neutral(1) == 0.6
    baseline.keep_only({2})
    assert baseline.neutral(1) == 0


def test_on_the_absolute_scale_calibration_subtracts_the_neutral_face_alone():
    baseline = NeutralBaseline(0.5)
    baseline.begin([1], 0)
    for i in range(30):
        baseline.adjusted(1, 0.2, i * FRAME)
    assert baseline.adjusted(1, 0.6, SECOND) == pytest.approx(0.5)
    assert baseline.adjusted(1, 1.0, SECOND) == 1
    assert baseline.adjusted(1, 0.6, SECOND) == pytest.approx(0.5)


def test_the_strongest_smile_of_a_person_is_forgotten_by_halves():
    baseline = NeutralBaseline(0.5, personal=True)
    for i in range(30):
        baseline.adjusted(1, 0.0, i * FRAME)
    assert baseline.adjusted(1, 0.8, SECOND) == 1
    soon, late = baseline.adjusted(1, 0.4, 2 * SECOND), baseline.adjusted(1, 0.4, 600 * SECOND)
    assert soon == pytest.approx(0.5, abs=0.02)
    assert late > 0.9
