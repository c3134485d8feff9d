"""Errors that a user can cause, under one root: a command prints one line and exits with status 2.

`ConfigError` at start (a setting, a file, a device); `BadInputError` at run time, for one image, crop or message. The
text says what was given, what is wanted and what to do.
"""


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
