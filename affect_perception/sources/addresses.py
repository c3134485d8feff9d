"""Addresses of streams: the schemes that are read, and logins."""

from __future__ import annotations

import os
import re
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from affect_perception.errors import ConfigError
from affect_perception.runtime.masking import masked

SCHEMES = ('http', 'https', 'rtsp', 'rtsps', 'rtmp', 'rtmps', 'srt', 'rtp', 'udp', 'tcp')
_VARIABLE = re.compile(r'\$\{(\w+)\}')


def scheme_of(text: str) -> str:
    """Scheme of an address, in lower case; '' for a text that is none."""
    match = re.match(r'([A-Za-z][A-Za-z0-9+.-]*)://', text)
    return match[1].lower() if match else ''


def check_address(url: str) -> None:
    """Refuse an address of another scheme, and one without a host; ConfigError without its password."""
    url = expanded(url)
    scheme = scheme_of(url)
    if scheme not in SCHEMES:
        raise ConfigError(f'no scheme {scheme!r} in {masked(url)!r}; wanted {", ".join(SCHEMES)}')
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host and scheme not in ('udp', 'rtp', 'srt'):  # those may listen on all addresses
        raise ConfigError(f'{masked(url)!r} lacks a host; wanted {scheme}://HOST')
    if scheme in ('tcp', 'udp', 'rtp', 'srt') and not port:
        raise ConfigError(f'{masked(url)!r} lacks a host or a port; wanted {scheme}://HOST:PORT')


def expanded(url: str) -> str:
    """The address with each ${NAME} replaced by that environment variable; ConfigError where it is not set.

    Whoever runs the program can thus keep a login out of command lines and files of parameters.
    """

    def value(match: re.Match[str]) -> str:
        if match[1] not in os.environ:
            raise ConfigError(f'{masked(url)!r} names the environment variable {match[1]}, which is not set')
        return os.environ[match[1]]

    return _VARIABLE.sub(value, url) if scheme_of(url) else url


def without_login(url: str) -> tuple[str, str, str]:
    """(address without login, user, password); both are '' where the address has none."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition('@')
    user, _, password = login.partition(':')
    return urlunsplit(parts._replace(netloc=host)) if at else url, unquote(user), unquote(password)


def with_quoted_login(url: str) -> str:
    """The address with signs in its login, such as @ and :, written as FFmpeg wants them."""
    plain, user, password = without_login(url)
    if not user and not password:
        return url
    parts = urlsplit(plain)
    login = quote(user, safe='') + (':' + quote(password, safe='') if password else '')
    return urlunsplit(parts._replace(netloc=f'{login}@{parts.netloc}'))
