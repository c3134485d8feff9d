"""A limit of time for calls without one of their own."""

import threading

import pytest
from conftest import wait_until

from affect_perception.runtime.time_limit import within


def ignore(*_: object) -> None:
    pass


def test_result_and_error_of_the_call_come_back():
    assert within(10, lambda: 7, ignore, ignore) == 7
    with pytest.raises(LookupError, match='injected'):
        within(10, lambda: {}['injected'], ignore, ignore)


def test_call_that_takes_too_long_is_given_up_and_its_late_result_dropped():
    given_up, dropped = threading.Event(), []

    def work() -> str:
        given_up.wait(10)
        return 'late'

    with pytest.raises(TimeoutError, match=r'no answer within 0\.1 s'):
        within(0.1, work, given_up.set, dropped.append)
    wait_until(lambda: dropped == ['late'])
