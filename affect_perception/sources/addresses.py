"""Addresses of streams: the schemes that are read, logins, and addresses without their passwords for people to see."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from affect_perception.errors import ConfigError

SCHEMES = ('http', 'https', 'rtsp', 'rtsps', 'rtmp', 'rtmps', 'srt', 'rtp', 'udp', 'tcp')
_MASK = '***'
_SECRETS = re.compile(r'((?:^|[?&;])[^=&;]*(?:pass|pwd|token|secret|auth|key|user)[^=&;]*=)[^&;]*', re.IGNORECASE)


def scheme_of(text: str) -> str:
    """Scheme of an address, in lower case; '' for a text that is none."""
    match = re.match(r'([A-Za-z][A-Za-z0-9+.-]*)://', text)
    return match[1].lower() if match else ''


def check_address(url: str) -> None:
    """Refuse an address of another scheme, and one without a host; ConfigError without its password."""
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


def masked(url: str) -> str:
    """The address with its login, and values of a query such as `token=`, replaced by ***."""
    scheme, separator, rest = url.partition('://')
    if not separator:
        return url
    place, query, values = rest.partition('?')
    authority, slash, path = place.partition('/')
    login, at, host = authority.rpartition('@')
    values = _SECRETS.sub(lambda match: match[1] + _MASK, values)
    return f'{scheme}://{_MASK + at if login else at}{host}{slash}{path}{query}{values}'


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
