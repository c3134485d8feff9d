"""The command `affect-perception`: a module per command that parses, calls and prints.

Not here: computation, which the commands call. Bad input ends with one line on stderr and exit status 2; a command that
measures ends with one JSON object as its last line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys

from affect_perception.errors import AffectPerceptionError, did_you_mean
from affect_perception.runtime.files import text_of_name
from affect_perception.runtime.imports.collection import no_collection
from affect_perception.runtime.interrupts import INTERRUPTED, exit_on_interrupt
from affect_perception.runtime.log_handler import log_to

__all__ = ['main', 'parser']


def parser() -> argparse.ArgumentParser:
    """Parser of all commands; each sets `call`, a function of the parsed arguments."""
    from affect_perception.cli import bench, evaluate, prepare, run, scene, train  # a second, within `main`

    root = argparse.ArgumentParser(prog='affect-perception', description='Smile, valence and arousal of people in view')
    commands = root.add_subparsers(required=True, metavar='COMMAND')
    for command in (run, evaluate, scene, prepare, train, bench):
        command.add_parsers(commands)
    return root


def _nearest(root: argparse.ArgumentParser, unknown: list[str]) -> str:
    """Suggestion for the first unknown flag, from the flags of all commands."""
    flag = next((text.partition('=')[0] for text in unknown if text.startswith('--')), '')
    parsers, known = [root], set[str]()
    for parser in parsers:
        for action in parser._actions:
            known.update(action.option_strings)
            if isinstance(action, argparse._SubParsersAction):
                parsers += action.choices.values()
    return did_you_mean(flag, known)


def main(argv: list[str] | None = None) -> int:
    """Run the command that `argv` names (default: sys.argv); returns the exit status."""
    with exit_on_interrupt(), no_collection():
        root = parser()
    args, unknown = root.parse_known_args(argv)
    if hasattr(args, 'rest'):
        args.rest = unknown
    elif unknown:
        root.error(f'unrecognized arguments: {" ".join(unknown)}{_nearest(root, unknown)}')
    log_to()
    os.umask(0o077)  # recordings, tables and reports are of people: for the user alone
    try:
        result = args.call(args)
        if result is not None and not isinstance(result, int):
            print(json.dumps(result))
        sys.stdout.flush()
    except AffectPerceptionError as error:
        print(f'affect-perception: {error}', file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has ended, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what Python flushes at exit
        return 141
    except OSError as error:
        # A path that cannot even be looked at: its name is too long, its folder is of another user.
        if error.filename is None:
            raise
        print(f'affect-perception: {text_of_name(error.filename)[:200]!r}: {error.strerror}', file=sys.stderr)
        return 2
    return result if isinstance(result, int) else 0
