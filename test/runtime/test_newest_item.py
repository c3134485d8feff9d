"""Depth-1 slots: the newest item wins, and what it replaced is counted."""

import threading

from conftest import wait_until

from affect_perception.runtime.newest_item import NewestItemPerKey, NewestItemSlot, SlotWorker


def test_slot_keeps_the_newest_and_counts_what_it_replaced():
    slot = NewestItemSlot()
    for item in 'abc':
        slot.put(item)
    assert slot.take() == 'c'
    assert (slot.received, slot.dropped) == (3, 2)
    slot.close()
    assert slot.take() is None


def test_closing_wakes_who_waits_and_reopening_makes_the_slot_usable_again():
    slot, taken = NewestItemSlot(), []
    thread = threading.Thread(target=lambda: taken.append(slot.take()))
    thread.start()
    slot.close()
    thread.join(60)
    assert taken == [None]
    slot.reopen()
    slot.put('again')
    assert slot.take() == 'again'


def test_a_slot_per_key_gives_the_newest_of_each():
    slot = NewestItemPerKey()
    left, right = slot.put_as('left'), slot.put_as('right')
    for put, item in ((left, 1), (right, 2), (left, 3)):
        put(item)
    assert slot.take() == {'left': 3, 'right': 2}
    assert (slot.received, slot.dropped) == (3, 1)


def test_a_worker_may_close_itself():
    done = []

    def work(item: str) -> None:
        done.append(item)
        worker.close()

    worker = SlotWorker('test', work)
    worker.slot.put('only')
    wait_until(lambda: done)
    worker.slot.put('nobody takes this')
    worker.close()
    assert done == ['only']


def test_a_worker_whose_work_raises_tells_the_error_and_takes_the_next_item():
    done, errors = [], []

    def work(item: str) -> None:
        done.append(item)
        if item == 'bad':
            raise ValueError(item)

    worker = SlotWorker('test', work, on_error=errors.append)
    for item in ('bad', 'good'):
        worker.slot.put(item)
        wait_until(lambda item=item: item in done)
    worker.close()
    assert [str(error) for error in errors] == ['bad']


def test_a_worker_without_a_handler_goes_on_too():
    done = []
    worker = SlotWorker('test', lambda item: done.append(1 / item))
    for item, count in ((0, 0), (1, 1)):
        worker.slot.put(item)
        wait_until(lambda count=count: len(done) == count and worker.slot._item is None)
    wait_until(lambda: done == [1.0])
    worker.close()
