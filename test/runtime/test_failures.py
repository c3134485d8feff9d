"""Errors of loops that go on: counted by type, the first of each logged with its place."""

import logging

from affect_perception.runtime import failures as module
from affect_perception.runtime.failures import FailureLog


def test_each_type_of_error_is_counted_and_its_first_logged_with_the_place():
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append
    module.log.addHandler(handler)
    failures = FailureLog('thread of a test')

    def fail(error: Exception) -> None:
        try:
            raise error
        except (ValueError, KeyError) as raised:
            failures(raised)

    try:
        for _ in range(3):
            fail(ValueError('of no use'))
        fail(KeyError('missing'))
    finally:
        module.log.removeHandler(handler)
    assert failures.counts == {'ValueError': 3, 'KeyError': 1}
    texts = [record.getMessage() for record in records]
    assert [text.partition(' (')[0] for text in texts] == [
        'thread of a test: ValueError: of no use',
        "thread of a test: KeyError: 'missing'",
    ]
    assert all('test_failures.py' in text for text in texts)
