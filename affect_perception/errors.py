"""Errors that a user can cause, under one root: a command prints one line and exits with status 2.

`ConfigError` at start (a setting, a file, a device); `BadInputError` at run time, for one image, crop or message. The
text says what was given, what is wanted and what to do.
"""

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import PurePath


class AffectPerceptionError(Exception):
    """Root of all errors of this package; the text is for the user at the terminal."""


class ConfigError(AffectPerceptionError):
    """Error at start: a setting, a file, a device or a checkpoint cannot be used."""


class BadInputError(AffectPerceptionError):
    """Error at run time: one item cannot be used; the caller counts and skips it, and processes the next one.

    `kind` is a short stable word such as `encoding` or `size`, for one warning and one counter per kind.
    """

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


def did_you_mean(given: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Suggestion of the nearest of the `known` names for a misspelt one, `; did you mean X?`; '' if none is near."""
    nearest = get_close_matches(given, list(known), 1, cutoff)
    return f'; did you mean {nearest[0]}?' if nearest else ''


@contextmanager
def untrusted(place: object) -> Iterator[None]:
    """Turn any exception that content at `place` (a file) causes in a reader into a ConfigError; ours pass unchanged.

    For structures that no list of exceptions covers: numbers of 5,000 digits, lists in place of texts, deep nesting.
    """
    try:
        yield
    except AffectPerceptionError:
        raise
    except OSError as error:
        if error.strerror is None:
            raise
        raise ConfigError(f'{place} cannot be read: {error.strerror}') from error
    except Exception as error:  # a hostile structure raises anything
        where = traceback.extract_tb(error.__traceback__)[-1]
        text = ' '.join(str(error).split())[:200]
        reader = f'{PurePath(where.filename).name}:{where.lineno}'
        raise ConfigError(f'{place} is damaged: {type(error).__name__}: {text} ({reader})') from error
