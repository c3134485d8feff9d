"""Mend the CMake files of the ROS wheels in an environment: drop include folders of the machine that built them.

The wheels' targets name folders such as /opt/python/cp311-cp311/include, and CMake stops on folders that do not exist,
in every package that depends on their messages. Run once after pip by `make set-up`: python resource/mend_ros_wheels.py
PREFIX. Does nothing where all folders exist.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

_INCLUDES = re.compile(r'(INTERFACE_INCLUDE_DIRECTORIES ")([^"]*)(")')


def mended(text: str) -> str:
    """Text of a CMake file without absolute include folders that do not exist."""

    def kept(match: re.Match) -> str:
        folders = match[2].split(';')
        return match[1] + ';'.join(f for f in folders if not f.startswith('/') or Path(f).exists()) + match[3]

    return _INCLUDES.sub(kept, text)


def mend(prefix: Path) -> int:
    """Mend all packages of `prefix`; returns the number of files that were changed."""
    changed = 0
    for file in prefix.glob('share/*/cmake/*.cmake'):
        before = file.read_text()
        after = mended(before)
        if after != before:
            file.write_text(after)
            changed += 1
    return changed


if __name__ == '__main__':
    sys.stdout.write(f'  CMake files of {mend(Path(sys.argv[1]))} ROS wheels mended\n')
