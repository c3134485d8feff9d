"""The messages of a bag, file by file, without ROS: rosbag2 (SQLite, MCAP, also compressed) and ROS 1, by `rosbags`.

Damage is told to `on_bad` and costs no more than it must: what a broken index or a cut-off file still holds is read
(`bag_salvage.py`). One file is open at a time, one message in memory.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any

import yaml

from affect_perception.errors import BadInputError, ConfigError
from affect_perception.sources.bags.message_types import Topic  # first: says what to do where rosbags is missing

# isort: split
from rosbags import rosbag1, rosbag2

from affect_perception.sources.bags.files import METADATA, STORAGE, has_metadata, storage_files
from affect_perception.sources.bags.salvage import SCANS, Message3, Salvaged

try:
    from compression import zstd  # Python 3.14
except ImportError:
    from backports import zstd

OnBad = Callable[[BadInputError], None]


class BagReader:
    """The topics and messages of one bag. Raises ConfigError for what is no bag or holds nothing that can be read.

    `counts` is the number of messages per topic; `topics` the type of each.
    """

    def __init__(self, path: Path, on_bad: OnBad):
        self.path, self._on_bad = path, on_bad
        self._per_message = False
        self._unpacked: tuple[Path, tempfile.TemporaryDirectory] | None = None
        self._salvaged: dict[Path, Salvaged] = {}  # of files whose index is of no use
        self._told: set[str] = set()  # files whose damage was told
        self._reason = 'there is no message in it'
        self.files = self._find_files()
        self.counts: Counter[str] = Counter()
        self.topics: dict[str, str] = {}
        try:
            for file in self.files:
                self._count(file)
        except OSError as error:  # no permission; no room for a decompressed file in $TMPDIR
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
        missing = [name for name in listed if not (folder / name).is_file()]
        if missing:
            self._on_bad(BadInputError('bag', f'{path} lacks {", ".join(missing)}, which its {METADATA} names'))
        files = [folder / name for name in listed if name not in missing] or storage_files(folder)
        if not files:
            raise ConfigError(f'{path} is a bag without files; wanted {", ".join(STORAGE)} beside {METADATA}')
        return files

    def _metadata(self, folder: Path) -> list[str]:
        """Names of the files of a bag; notes whether each message is compressed by itself."""
        try:
            about = yaml.safe_load((folder / METADATA).read_text())['rosbag2_bagfile_information']
            mode, kind = about.get('compression_mode') or '', about.get('compression_format') or ''
            listed = [PurePath(name).name for name in about['relative_file_paths']]
        except (OSError, ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            text = f'{folder / METADATA} cannot be used ({" ".join(str(error).split())[:200]}); the files beside it are'
            self._on_bad(BadInputError('bag', text))
            return []
        self._per_message = mode.lower() == 'message'
        if mode.lower() in ('file', 'message') and kind != 'zstd':
            raise ConfigError(f'{folder} is compressed by {kind!r}; only zstd can be read')
        return listed

    def messages(self, *names: str) -> Iterator[Message3]:
        """(topic, time of recording in ns, serialised message) of the topics of these names, in order of recording."""
        for file in self.files:
            with self._opened(file) as storage:
                for topic, log_ns, data in storage.messages(set(names)):
                    yield topic, log_ns, zstd.decompress(data) if self._per_message else data

    def first(self, name: str) -> Any | None:
        """The first message of a topic, decoded; None if there is none that can be."""
        with contextlib.closing(self.messages(name)) as messages:
            for topic, _, data in messages:
                with contextlib.suppress(BadInputError):
                    return topic.decode(data)
        return None

    @contextlib.contextmanager
    def _opened(self, file: Path) -> Iterator[Storage | Salvaged]:
        """A file of the bag, with its index or without."""
        whole = self._decompressed(file) if file.suffix.lower() == '.zstd' else file
        with contextlib.ExitStack() as stack:
            try:
                storage: Storage | Salvaged = stack.enter_context(Storage(whole, self._salvage))
            except Exception as error:  # a damaged index fails wherever its numbers lead the parser
                storage = self._salvage(whole, error)
            yield storage

    def _salvage(self, file: Path, error: Exception) -> Salvaged:
        if file not in self._salvaged:
            self._reason = ' '.join(str(error).split()).rstrip('.') or type(error).__name__
            tell = self._on_bad if file.name not in self._told else lambda _: None
            self._told.add(file.name)
            self._salvaged[file] = Salvaged(file, SCANS[file.suffix.lower()], self._reason, tell)
        return self._salvaged[file]

    def _decompressed(self, file: Path) -> Path:
        """A temporary copy that lives until that of another file is asked for, or until the end."""
        if self._unpacked is None or self._unpacked[0] != file:
            if self._unpacked is not None:  # before the next one: a disk may hold one, and not two
                self._unpacked[1].cleanup()
            folder = tempfile.TemporaryDirectory(prefix='bag-')
            self._unpacked = file, folder
            with zstd.open(file, 'rb') as packed, (Path(folder.name) / file.stem).open('wb') as plain:
                try:
                    while block := packed.read(2**20):
                        plain.write(block)
                except (EOFError, zstd.ZstdError):  # what came out so far may still be read
                    if file.name not in self._told:
                        self._told.add(file.name)
                        self._on_bad(BadInputError('bag', f'{file} is cut off or damaged in its compression'))
        return Path(self._unpacked[1].name) / file.stem


class Storage:
    """One file with its index; where reading breaks off, it goes on by `salvage` from there."""

    def __init__(self, path: Path, salvage: Callable[[Path, Exception], Salvaged]):
        self._path, self._salvage = path, salvage
        self._ros1 = path.suffix.lower() in ('.bag', '.active')
        self._reader = rosbag1.Reader(path) if self._ros1 else rosbag2.Reader(path)

    def __enter__(self) -> Storage:
        log = Path(f'{self._path}-wal')
        if log.exists() and log.stat().st_size:  # rosbags reads without it
            raise ValueError('SQLite had not finished writing')
        self._reader.open()
        self._topics = {c.id: Topic(c.topic, c.msgtype, c.msgdef, self._ros1) for c in self._reader.connections}
        self.counts: Counter[Topic] = Counter()
        for connection in self._reader.connections:
            self.counts[self._topics[connection.id]] += connection.msgcount
        return self

    def __exit__(self, *_) -> None:
        self._reader.close()

    def messages(self, wanted: set[str]) -> Iterator[Message3]:
        connections = [c for c in self._reader.connections if c.topic in wanted]
        if not connections:
            return
        last_ns = -1
        try:
            for connection, log_ns, data in self._reader.messages(connections):
                last_ns = log_ns
                yield self._topics[connection.id], log_ns, data
        except Exception as error:
            for topic, log_ns, data in self._salvage(self._path, error).messages(wanted):
                if log_ns > last_ns:
                    yield topic, log_ns, data
