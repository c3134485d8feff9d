"""The parts of a sweep: every cell once in a turn, whatever the size of the map."""

import numpy as np
import pytest

from affect_perception.detectors.dlib.sweep import Sweep


@pytest.mark.parametrize('size', [(327, 160), (160, 327), (1, 1), (2, 50), (3, 3)])
@pytest.mark.parametrize('parts', [1, 8, 18, 300])
def test_every_cell_is_in_one_part_of_a_turn(size, parts):
    sweep, seen, turns = Sweep(parts), np.zeros(size, int), 0
    while not seen.all():
        part = sweep.next(size)
        assert seen[part].size
        seen[part] += 1
        turns += 1
    assert seen.max() == 1
    assert turns <= parts + max(size) // min(size) + 2 * round(parts**0.5)


def test_parts_are_of_nearly_equal_size_and_begin_again():
    sweep = Sweep(18)
    parts = [sweep.next((327, 160)) for _ in range(36)]
    assert parts[:18] == parts[18:]
    areas = [(rows.stop - rows.start) * (columns.stop - columns.start) for rows, columns in parts]
    assert max(areas) < 1.1 * min(areas)


def test_pictures_of_another_size_continue_the_turn_without_an_error():
    sweep = Sweep(8)
    for size in ((327, 160), (20, 10), (5, 90)) * 5:
        rows, columns = sweep.next(size)
        assert 0 <= rows.start < rows.stop <= size[0]
        assert 0 <= columns.start < columns.stop <= size[1]
