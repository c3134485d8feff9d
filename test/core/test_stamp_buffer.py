"""Matching of items by image stamp."""

import pytest

from affect_perception.core.stamp_buffer import StampBuffer


def filled(*stamps: int, size: int = 4, slop_ns: int = 0) -> StampBuffer[str]:
    buffer = StampBuffer[str](size, slop_ns)
    for stamp_ns in stamps:
        buffer.put(stamp_ns, f'item {stamp_ns}')
    return buffer


def test_only_the_item_of_that_stamp_is_found_without_slop():
    buffer = filled(10, 20, 30)
    assert buffer.find(20) == 'item 20'
    assert buffer.find(21) is None
    assert filled().find(20) is None


@pytest.mark.parametrize(('stamp_ns', 'found'), [(24, 'item 20'), (26, 'item 30'), (35, 'item 30'), (36, None)])
def test_with_slop_the_nearest_item_within_it_is_found(stamp_ns, found):
    assert filled(10, 20, 30, slop_ns=5).find(stamp_ns) == found


def test_oldest_item_makes_room():
    buffer = filled(1, 2, 3, size=2)
    assert buffer.find(1) is None
    assert (buffer.find(2), buffer.find(3), buffer.newest_ns) == ('item 2', 'item 3', 3)


def test_stamp_that_goes_back_empties_the_buffer():
    buffer = filled(100, 200, 50)
    assert buffer.find(100) is None
    assert buffer.newest_ns == 50


def test_popping_discards_older_items_also_when_nothing_is_found():
    buffer = filled(10, 20, 30)
    assert buffer.pop(20) == 'item 20'
    assert buffer.find(10) is None
    assert buffer.pop(25) is None
    assert buffer.find(30) == 'item 30'


def test_cleared_buffer_is_empty():
    buffer = filled(10)
    buffer.clear()
    assert buffer.newest_ns is None
