"""Errors of loops that go on: counted by type, the first of each logged with its place."""

import logging

from affect_perception.runtime.failures import FailureLog


def test_each_type_of_error_is_counted_and_its_first_logged_with_the_place(caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger('affect_perception'), 'propagate', True)
    failures = FailureLog('thread of a test')

    def fail(error: Exception) -> None:
        try:
            raise error
        except (ValueError, KeyError) as raised:
            failures(raised)

    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            fail(ValueError('of no use'))
        fail(KeyError('missing'))
    assert failures.counts == {'ValueError': 3, 'KeyError': 1}
    assert [record.getMessage().partition(' (')[0] for record in caplog.records] == [
        'thread of a test: ValueError: of no use',
        "thread of a test: KeyError: 'missing'",
    ]
    assert 'test_failures.py' in caplog.text
