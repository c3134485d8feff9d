"""Messages of a rosbag, file by file, without ROS: rosbag2 (SQLite, MCAP, also compressed) and ROS 1, by `rosbags`.

Damage is reported to `on_bad`; rosbag2 files with a broken index or end are scanned (`salvage.py`). One file is open at
a time, one message in memory.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path, PurePath
from typing import Any

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.runtime.yaml_text import read_yaml
from affect_perception.sources import BadInputCallback
from affect_perception.sources.bags.message_types import Topic  # first: its error names the missing extra

# isort: split
from rosbags import rosbag1, rosbag2

from affect_perception.sources.bags import sqlite
from affect_perception.sources.bags.budgets import TooLargeError, install, unpack_file, unpack_zstd
from affect_perception.sources.bags.files import METADATA, STORAGE, has_metadata, storage_files
from affect_perception.sources.bags.salvage import SALVAGE_SCANS, BagMessage, SalvagedFile

try:
    from compression import zstd  # Python 3.14
except ImportError:
    from backports import zstd

install()
sqlite.install()
_LARGEST_METADATA = 2**22  # bytes; the YAML of a bag of a thousand files has 300 kB
REINDEX = 'if recording was cut off, repair a copy with `rosbag reindex`'


def _scan_nothing(_: Path, lost: list[str]) -> Iterator[BagMessage]:
    """In place of a scan of ROS 1 bags."""
    lost.append('the rest is not read')
    return iter(())


def _start_of(path: Path) -> str:
    with path.open() as file:
        return file.read(_LARGEST_METADATA)


def _ignore(_: BadInputError) -> None:
    pass


class BagReader:
    """Topics and messages of one bag: `topics` maps names to types, `counts` names to numbers of messages.

    Raises ConfigError for a path that is no bag and for a bag without readable messages.
    """

    def __init__(self, path: Path, on_bad: BadInputCallback) -> None:
        self.path, self._on_bad = path, on_bad
        self._per_message = False
        self._unpacked: tuple[Path, tempfile.TemporaryDirectory] | None = None
        self._salvaged: dict[Path, SalvagedFile] = {}  # files without a usable index
        self._reported: set[str] = set()  # names of files whose damage was reported
        self._reason = 'there is no message in it'
        self.files = self._find_files()
        self.counts: Counter[str] = Counter()
        self.topics: dict[str, str] = {}
        try:
            for file in self.files:
                self._count(file)
        except (OSError, TooLargeError) as error:  # no permission, or no room for a decompressed file in $TMPDIR
            raise ConfigError(f'{path} cannot be read: {error}') from None
        if not self.topics:
            raise ConfigError(f'nothing in {path} can be read as a bag: {self._reason}')

    def _count(self, file: Path) -> None:
        with self._opened(file) as storage:
            for topic, count in storage.counts.items():
                self.topics[topic.name] = topic.msgtype
                self.counts[topic.name] += count

    def _find_files(self) -> list[Path]:
        path = self.path
        folder = path if path.is_dir() else path.parent
        listed = self._metadata(folder) if has_metadata(folder) else []
        if path.is_file():
            self._per_message &= path.name in listed
            return [path]
        missing = [name for name in listed if not os.path.isfile(folder / name)]  # False for too long a name
        if missing:
            names = ', '.join(missing)[:200]
            self._on_bad(BadInputError('bag', f'{path} lacks {names}, listed in its {METADATA}'))
        files = [folder / name for name in listed if name not in missing] or storage_files(folder)
        if not files:
            raise ConfigError(f'{path} is a bag without files; wanted {", ".join(STORAGE)} beside {METADATA}')
        return files

    def _metadata(self, folder: Path) -> list[str]:
        """Names of the files of a bag; also sets whether each message is compressed by itself."""
        try:
            about = read_yaml(_start_of(folder / METADATA))['rosbag2_bagfile_information']
            mode, kind = (str(about.get(f'compression_{name}') or '') for name in ('mode', 'format'))
            listed = [PurePath(name).name for name in about['relative_file_paths']]
        except Exception as error:  # noqa: BLE001  # a hostile file raises any error of the parser; reported
            reason = ' '.join(str(error).split())[:200]
            text = f'{folder / METADATA} cannot be used ({reason}); the files beside it are read'
            self._on_bad(BadInputError('bag', text))
            return []
        self._per_message = mode.lower() == 'message'
        if mode.lower() in ('file', 'message') and kind != 'zstd':
            raise ConfigError(f'{folder} is compressed by {kind!r}; only zstd can be read')
        return listed

    def messages(self, *names: str) -> Generator[BagMessage, None, None]:
        """(topic, time of recording in ns, serialised message) of the named topics, in order of recording."""
        for file in self.files:
            with self._opened(file) as storage:
                for topic, log_ns, data in storage.messages(set(names)):
                    yield topic, log_ns, self._unpacked_message(topic, data) if self._per_message else data

    def _unpacked_message(self, topic: Topic, data: bytes) -> bytes:
        try:
            return unpack_zstd(data)
        except (ValueError, EOFError, zstd.ZstdError) as error:  # b'': no message, which decoding reports
            self._on_bad(BadInputError('message', f'a message of {topic.name} cannot be decompressed: {error}'))
            return b''

    def first(self, name: str) -> Any | None:
        """First readable message of a topic, deserialised; None without one."""
        with contextlib.closing(self.messages(name)) as messages:
            for topic, _, data in messages:
                with contextlib.suppress(BadInputError):
                    return topic.decode(data)
        return None

    @contextlib.contextmanager
    def _opened(self, file: Path) -> Iterator[BagFile | SalvagedFile]:
        """Open a file of the bag, with its index if that is usable."""
        whole = self._decompressed(file) if file.suffix.lower() == '.zstd' else file
        with contextlib.ExitStack() as stack:
            try:
                storage: BagFile | SalvagedFile = stack.enter_context(BagFile(whole, self._salvage))
            except Exception as error:  # noqa: BLE001  # a damaged index raises any error of the parser; reported
                storage = self._salvage(whole, error)
            yield storage

    def _salvage(self, file: Path, error: Exception) -> SalvagedFile:
        if file not in self._salvaged:
            self._reason = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
            scan = SALVAGE_SCANS.get(file.suffix.lower(), _scan_nothing)
            if scan is _scan_nothing:
                self._reason += f'; {REINDEX}'
            report = self._on_bad if file.name not in self._reported else _ignore
            self._reported.add(file.name)
            self._salvaged[file] = SalvagedFile(file, scan, self._reason, report)
        return self._salvaged[file]

    def _decompressed(self, file: Path) -> Path:
        """Temporary decompressed copy, kept until another file is decompressed, or until the end."""
        if self._unpacked is None or self._unpacked[0] != file:
            if self._unpacked is not None:  # before the next one: the disk may hold only one
                self._unpacked[1].cleanup()
            folder = tempfile.TemporaryDirectory(prefix='bag-')
            self._unpacked = file, folder
            whole = unpack_file(file, Path(folder.name) / file.stem)
            if not whole and file.name not in self._reported:  # the part decompressed so far is read
                self._reported.add(file.name)
                self._on_bad(BadInputError('bag', f'{file} is cut off or damaged in its compression'))
        return Path(self._unpacked[1].name) / file.stem


class BagFile:
    """One file read by its index; after an error, reading continues with `salvage` from there."""

    def __init__(self, path: Path, salvage: Callable[[Path, Exception], SalvagedFile]) -> None:
        self._path, self._salvage = path, salvage
        self._ros1 = path.suffix.lower() in ('.bag', '.active')
        self._reader = rosbag1.Reader(path) if self._ros1 else rosbag2.Reader(path)

    def __enter__(self) -> BagFile:
        log = Path(f'{self._path}-wal')
        if log.exists() and log.stat().st_size:  # rosbags reads without it
            raise ValueError('SQLite had not finished writing')
        if self._path.suffix.lower() == '.db3':
            sqlite.check_tables(self._path)
        self._reader.open()
        self._topics = {c.id: Topic(c.topic, c.msgtype, c.msgdef, self._ros1) for c in self._reader.connections}
        self.counts: Counter[Topic] = Counter()
        for connection in self._reader.connections:
            self.counts[self._topics[connection.id]] += connection.msgcount
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def messages(self, wanted: set[str]) -> Iterator[BagMessage]:
        """Messages of the topics of these names, in order of recording."""
        connections = [c for c in self._reader.connections if c.topic in wanted]
        if not connections:
            return
        last_ns = -1
        try:
            for connection, log_ns, data in self._reader.messages(connections):
                last_ns = log_ns
                yield self._topics[connection.id], log_ns, data
        except Exception as error:  # noqa: BLE001  # damaged bytes raise any error of the parser; reported
            for topic, log_ns, data in self._salvage(self._path, error).messages(wanted):
                if log_ns > last_ns:
                    yield topic, log_ns, data
