"""One root for every error a user can cause, so that a command can print one line and exit with status 2.

Raise `ConfigError` at start (a setting, a file, a device), `BadInputError` for one image, crop or message that arrived
while running. A message says what was given, what was wanted and what to do.
"""


class AffectPerceptionError(Exception):
    """Root of all errors of this package; its text is written for the person at the terminal."""


class ConfigError(AffectPerceptionError):
    """Something is wrong before the work starts: a setting, a file, a device, a checkpoint."""


class BadInputError(AffectPerceptionError):
    """One item that arrived while running cannot be used; it is counted and skipped, the next one is processed.

    `kind` is a short stable word such as `encoding` or `size`: one warning and one counter per kind.
    """

    def __init__(self, kind: str, text: str):
        super().__init__(text)
        self.kind = kind
