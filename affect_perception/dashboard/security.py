"""Access rules of the web server: listening address, Host and Origin headers, token. Pure functions.

A page of another site that a user has open can send requests to localhost, and by DNS rebinding even as if it came from
localhost. Hence a Host that is a name must be a name of this machine, and the Origin of a WebSocket must be the Host.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.settings import DashboardSettings

COOKIE = 'affect_dashboard'
_MIN_TOKEN = 12  # characters


def check_address(settings: DashboardSettings, token: str) -> str:
    """IP address to listen on; ConfigError for no address, or one that other machines can reach without a token."""
    given = settings.dashboard_address
    try:
        address = socket.getaddrinfo(given or None, settings.dashboard_port, type=socket.SOCK_STREAM)[0][4][0]
    except (OSError, UnicodeError) as error:  # UnicodeError: a name that is none, as a..b
        raise ConfigError(
            f'dashboard_address {given!r} is no address of this machine ({error}); use 127.0.0.1 for this machine '
            'only, 0.0.0.0 for all networks (with dashboard_token)'
        ) from error
    if not ipaddress.ip_address(str(address).split('%')[0]).is_loopback and len(token) < _MIN_TOKEN:
        raise ConfigError(
            f'dashboard_address {given} can be reached from other machines, and dashboard_token '
            f'{"is not set" if not token else f"has only {len(token)} characters"}; give one of at least {_MIN_TOKEN} '
            "characters (python3 -c 'import secrets; print(secrets.token_urlsafe())'), or listen on 127.0.0.1"
        )
    return str(address)


def known_hosts(settings: DashboardSettings) -> frozenset[str]:
    """Host names of this machine, in lower case, that requests may use."""
    own = socket.gethostname().lower()
    extra = {name.strip().lower() for name in settings.dashboard_hosts.split(',') if name.strip()}
    return frozenset({'localhost', own, f'{own}.local', own.partition('.')[0]} | extra)


def check_host(host: str, known: frozenset[str]) -> None:
    """Raise BadInputError `host` unless the Host header is an IP address or one of `known`."""
    try:
        name = urlsplit(f'//{host}').hostname or ''
        urlsplit(f'//{host}').port  # noqa: B018 - the property raises ValueError for a bad port
    except ValueError:
        name = ''
    if name in known or _is_ip(name):
        return
    raise BadInputError('host', f'Host {host[:80]!r} is no name of this machine; add it to dashboard_hosts if it is')


def check_origin(origin: str | None, host: str) -> None:
    """Raise BadInputError `origin` for a page of another site. Programs other than browsers send no Origin."""
    if origin is not None and origin_host(origin) != host.lower():
        raise BadInputError('origin', f'a page of {origin[:80]!r} wanted the data of the dashboard at {host[:80]!r}')


def origin_host(origin: str) -> str:
    """Host and port of an Origin header in lower case; '' for an origin other than http and https."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ''
    return parts.netloc.lower() if parts.scheme in ('http', 'https') else ''


def is_token(given: str, token: str) -> bool:
    """Compare a token in constant time."""
    return hmac.compare_digest(given.encode(errors='surrogateescape'), token.encode())  # headers may hold any byte


def cookie_of(token: str) -> str:
    """Cookie that stands for the token in a browser: an HMAC, valid as long as the token."""
    return hmac.new(token.encode(), b'affect_perception dashboard', hashlib.sha256).hexdigest()


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
