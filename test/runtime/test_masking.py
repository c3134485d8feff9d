"""Logins in addresses: masked for people, and kept out of command lines."""

import pytest

from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import login_as_variable, masked
from affect_perception.sources.addresses import check_address, expanded


@pytest.mark.parametrize(
    ('address', 'shown', 'login'),
    [
        ('rtsp://anna:pass@cam:554/live', 'rtsp://${L}@cam:554/live', 'anna:pass'),
        ('http://anna:p%40s@cam', 'http://${L}@cam', 'anna:p%40s'),
        ('RTSP://a:b@c@cam/x@y', 'RTSP://${L}@cam/x@y', 'a:b@c'),
        ('rtsp://${CAM}@cam/live', 'rtsp://${CAM}@cam/live', None),
        ('rtsp://cam/user@host', 'rtsp://cam/user@host', None),
        ('camera:0', 'camera:0', None),
        ('a@b.mp4', 'a@b.mp4', None),
    ],
)
def test_login_of_an_address_becomes_a_variable_and_back(monkeypatch, address, shown, login):
    assert login_as_variable(address, 'L') == (shown, {} if login is None else {'L': login})
    if login is not None:
        monkeypatch.setenv('L', login)
        assert expanded(shown) == address


def test_variable_that_is_not_set_is_named():
    with pytest.raises(ConfigError, match='the environment variable NO_SUCH_LOGIN, which is not set'):
        check_address('rtsp://${NO_SUCH_LOGIN}@cam/live')


def test_text_that_is_no_address_is_shown_as_it_is():
    assert masked('camera:user@host') == 'camera:user@host'


@pytest.mark.parametrize(
    ('query', 'shown'),
    [
        ('a=1&token=x?y=z;b=2', 'a=1&token=***;b=2'),
        ('next=/v?pwd=x', 'next=/v?pwd=***'),
        ('?Key=x', '?Key=***'),
        ('a=user=x', 'a=user=x'),
        ('token', 'token'),
        ('?key' * 50_000, '?key' * 50_000),  # in less than hours
    ],
    ids=lambda text: text[:20],
)
def test_secret_values_of_a_query_are_masked(query, shown):
    assert masked(f'http://cam/?{query}') == f'http://cam/?{shown}'
