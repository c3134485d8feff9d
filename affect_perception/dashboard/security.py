"""Who may look: which Host and Origin a request may name, and the token. Pure functions on header values.

A page of another site that a user has open can send requests to localhost, and by DNS rebinding even as if it came from
there. Hence a Host that is a name must be one of ours, and a WebSocket's Origin must be the Host itself.
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
_SHORTEST = 12


def check_address(settings: DashboardSettings, token: str) -> str:
    """The address to listen on, as an IP; ConfigError if it is none, or lies beyond this machine without a token."""
    given = settings.dashboard_address
    try:
        address = socket.getaddrinfo(given or None, settings.dashboard_port, type=socket.SOCK_STREAM)[0][4][0]
    except OSError as error:
        raise ConfigError(
            f'dashboard_address {given!r} is no address of this machine ({error}); use 127.0.0.1 for this machine '
            'only, 0.0.0.0 for all networks (with dashboard_token)'
        ) from error
    if not ipaddress.ip_address(address.split('%')[0]).is_loopback and len(token) < _SHORTEST:
        raise ConfigError(
            f'dashboard_address {given} can be reached from other machines, and dashboard_token '
            f'{"is not set" if not token else f"has only {len(token)} characters"}; give one of at least {_SHORTEST} '
            "characters (python3 -c 'import secrets; print(secrets.token_urlsafe())'), or listen on 127.0.0.1"
        )
    return address


def known_hosts(settings: DashboardSettings) -> frozenset[str]:
    """The names, in lower case, by which this server may be called."""
    own = socket.gethostname().lower()
    extra = {name.strip().lower() for name in settings.dashboard_hosts.split(',') if name.strip()}
    return frozenset({'localhost', own, f'{own}.local', own.partition('.')[0]} | extra)


def check_host(host: str, known: frozenset[str]) -> None:
    """BadInputError `host` unless the Host header is an IP address or one of our names."""
    try:
        name = urlsplit(f'//{host}').hostname or ''
        urlsplit(f'//{host}').port  # noqa: B018  (raises for a bad one)
    except ValueError:
        name = ''
    if name in known or _is_ip(name):
        return
    raise BadInputError('host', f'Host {host[:80]!r} is none of ours; add it to dashboard_hosts if it is')


def check_origin(origin: str | None, host: str) -> None:
    """BadInputError `origin` if a page of another site asks. Programs that are no browsers send no Origin."""
    if origin is not None and urlsplit_netloc(origin) != host.lower():
        raise BadInputError('origin', f'a page of {origin[:80]!r} wanted the data of the dashboard at {host[:80]!r}')


def urlsplit_netloc(origin: str) -> str:
    try:
        parts = urlsplit(origin)
    except ValueError:
        return ''
    return parts.netloc.lower() if parts.scheme in ('http', 'https') else ''


def is_token(given: str, token: str) -> bool:
    """In a time that does not tell how much of it was right."""
    return hmac.compare_digest(given.encode(), token.encode())


def cookie_of(token: str) -> str:
    """What a browser keeps instead of the token: good as long as the token is."""
    return hmac.new(token.encode(), b'affect_perception dashboard', hashlib.sha256).hexdigest()


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
