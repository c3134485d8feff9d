"""Addresses without their passwords, for people to see and for command lines."""

from __future__ import annotations

import re

_LOGIN = re.compile(r'([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)@(.*)', re.DOTALL)
_MASK = '***'
_PART = re.compile('[^&;]+')  # of a query
_SECRET = re.compile('pass|pwd|token|secret|auth|key|user', re.IGNORECASE)


def masked(url: str) -> str:
    """The address with its login, and values of a query such as `token=`, replaced by ***; other text as it is."""
    scheme, separator, rest = url.partition('://')
    if not separator:
        return url
    place, query, values = rest.partition('?')
    authority, slash, path = place.partition('/')
    login, at, host = authority.rpartition('@')
    values = _PART.sub(_masked_part, values)
    return f'{scheme}://{_MASK + at if login else at}{host}{slash}{path}{query}{values}'


def _masked_part(part: re.Match[str]) -> str:
    """A part of a query, its value masked if the name, or a name in a query within the value, is that of a secret."""
    pieces = part[0].split('=')
    for i, name in enumerate(pieces[:-1]):
        if _SECRET.search(name.partition('?')[2] if i else name):
            return '='.join([*pieces[: i + 1], _MASK])
    return part[0]


def login_as_variable(address: str, variable: str) -> tuple[str, dict[str, str]]:
    """Address with ${VARIABLE} in place of its login, and the environment variable with the login.

    For command lines of processes, which everybody on a machine can read, unlike their environments. The second is
    empty for an address without a login, and for one whose login is a variable already.
    """
    match = _LOGIN.match(address)
    if match is None or '${' in match[2]:
        return address, {}
    return f'{match[1]}${{{variable}}}@{match[3]}', {variable: match[2]}
