"""Addresses without their passwords, for people to see and for command lines."""

from __future__ import annotations

import re

_LOGIN = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)@(.*)', re.DOTALL)
_MASK = '***'
_SECRETS = re.compile(r'((?:^|[?&;])[^=&;]*(?:pass|pwd|token|secret|auth|key|user)[^=&;]*=)[^&;]*', re.IGNORECASE)


def masked(url: str) -> str:
    """The address with its login, and values of a query such as `token=`, replaced by ***; other text as it is."""
    scheme, separator, rest = url.partition('://')
    if not separator:
        return url
    place, query, values = rest.partition('?')
    authority, slash, path = place.partition('/')
    login, at, host = authority.rpartition('@')
    values = _SECRETS.sub(lambda match: match[1] + _MASK, values)
    return f'{scheme}://{_MASK + at if login else at}{host}{slash}{path}{query}{values}'


def login_as_variable(address: str, variable: str) -> tuple[str, dict[str, str]]:
    """Address with ${VARIABLE} in place of its login, and the environment variable with the login.

    For command lines of processes, which everybody on a machine can read, unlike their environments. The second is
    empty for an address without a login, and for one whose login is a variable already.
    """
    match = _LOGIN.match(address)
    if match is None or '${' in match[2]:
        return address, {}
    return f'{match[1]}${{{variable}}}@{match[3]}', {variable: match[2]}
