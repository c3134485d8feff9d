"""Work side by side: order, errors, and an end when nobody wants more."""

import threading

import pytest

from affect_perception.runtime.prefetch import batched, prefetch


def test_items_come_in_order():
    assert list(prefetch(range(100), 3)) == list(range(100))


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield from range(3)
        raise ValueError('the fourth')

    seen = []
    with pytest.raises(ValueError, match='the fourth'):
        seen.extend(prefetch(items()))
    assert seen == [0, 1, 2]


def test_maker_is_never_far_ahead_and_ends_when_nobody_wants_more():
    made = []
    items = prefetch((made.append(i) or i for i in range(1000)), 2)
    assert next(items) == 0
    items.close()
    assert len(made) <= 5
    assert not [thread for thread in threading.enumerate() if thread.name == 'prefetch']


def test_groups_are_full_but_for_the_last():
    assert list(batched(range(7), 3)) == [[0, 1, 2], [3, 4, 5], [6]]
    assert list(batched([], 3)) == []


def test_what_came_before_an_error_makes_a_group_before_it_is_raised():
    groups = batched((1 // (4 - i) for i in range(5)), 3)
    assert [len(next(groups)), len(next(groups))] == [3, 1]
    with pytest.raises(ZeroDivisionError):
        next(groups)
