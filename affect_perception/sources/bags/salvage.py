"""Recover the messages of a rosbag2 file that is cut off, damaged or without an index, record by record.

Each scan yields messages in the order of the file, until its end or the first record that makes no sense; then it adds
a description of the loss to `lost`. ROS 1 bags are not scanned: `rosbag reindex` repairs those without an index, and a
damaged chunk hides the same messages with a scan as without (measured, benchmarks/README.md).
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw
from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.typesys.msg import normalize_msgtype

from affect_perception.errors import BadInputError
from affect_perception.sources import BadInputCallback
from affect_perception.sources.bags.budgets import TooLargeError, unpack_chunk
from affect_perception.sources.bags.message_types import NO_DEFINITION, Topic
from affect_perception.sources.bags.sqlite import check_tables_of, connect

BagMessage = tuple[Topic, int, bytes]  # topic, time of recording in ns, serialised message
Scan = Callable[[Path, list[str]], Iterator[BagMessage]]

_MSG, _IDL = MessageDefinitionFormat.MSG, MessageDefinitionFormat.IDL
_MCAP_FORMATS = {'ros1msg': _MSG, 'ros2msg': _MSG, 'ros2idl': _IDL, 'omgidl': _IDL}
_LARGEST_RECORD = 2**30  # bytes; a longer one is a damaged length


class SalvagedFile:
    """A file read without its index. `counts` holds the messages found per topic; losses are reported to `on_bad`."""

    def __init__(self, path: Path, scan: Scan, reason: str, on_bad: BadInputCallback) -> None:
        self._path, self._scan = path, scan
        lost: list[str] = []
        self.counts: Counter[Topic] = Counter(topic for topic, _, _ in scan(path, lost))
        if lost:
            found = f'{self.counts.total()} messages were found in it, ' if self.counts else 'nothing was found in it, '
            on_bad(BadInputError('bag', f'{path} is damaged ({reason}): {found}' + '; '.join(lost)))

    def messages(self, wanted: set[str]) -> Iterator[BagMessage]:
        """Messages of the topics of these names, in the order of the file."""
        return (found for found in self._scan(self._path, []) if found[0].name in wanted)


def scan_mcap(path: Path, lost: list[str]) -> Iterator[BagMessage]:
    """Scan an MCAP file; chunks that do not decompress or have a wrong checksum are skipped."""
    schemas: dict[int, Schema] = {}
    topics: dict[int, Topic] = {}
    bad_chunks, bad_bytes, ended = 0, 0, False
    with path.open('rb') as file:
        records = StreamReader(file, emit_chunks=True, record_size_limit=_LARGEST_RECORD).records
        with contextlib.suppress(Exception):  # damaged bytes raise any error of the parser; `ended` tells
            for record in records:
                ended = isinstance(record, DataEnd)
                if ended:
                    break
                try:
                    parts = _parts_of(record) if isinstance(record, Chunk) else [record]
                except Exception:  # noqa: BLE001  # damaged bytes raise any error of the decompressors; counted
                    bad_chunks, bad_bytes = (
                        bad_chunks + 1,
                        bad_bytes + (len(record.data) if isinstance(record, Chunk) else 0),
                    )
                    continue
                yield from _mcap_messages(parts, schemas, topics)
        left = path.stat().st_size - file.tell()
    if bad_chunks:
        lost.append(f'{bad_chunks} chunks of {_size(bad_bytes)} cannot be read')
    if not ended:
        lost.append(f'it ends in the middle of a record{f", {_size(left)} are left over" if left else ""}')


def _parts_of(chunk: Chunk) -> list[McapRecord]:
    """Records of a chunk, whose decompression is limited; raises any error for a damaged one."""
    data = unpack_chunk(chunk.data, chunk.compression, chunk.uncompressed_size)
    return breakup_chunk(dataclasses.replace(chunk, compression='', data=data), validate_crc=True)


def _mcap_messages(
    records: list[McapRecord], schemas: dict[int, Schema], topics: dict[int, Topic]
) -> Iterator[BagMessage]:
    for record in records:
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            schema = schemas.get(record.schema_id)
            known = _MCAP_FORMATS.get(schema.encoding) if schema else None
            definition = MessageDefinition(known, schema.data.decode()) if schema and known else NO_DEFINITION
            msgtype = normalize_msgtype(schema.name) if schema and '/' in schema.name else ''
            topics[record.id] = Topic(record.topic, msgtype, definition, record.message_encoding == 'ros1')
        elif isinstance(record, Message) and record.channel_id in topics:
            yield topics[record.channel_id], record.log_time, record.data


def scan_db3(path: Path, lost: list[str]) -> Iterator[BagMessage]:
    """Scan an SQLite file in the order of writing, which needs no index; a cut-off file as far as it goes."""
    try:
        with contextlib.closing(connect(path, 'mode=ro')) as database:
            database.execute('PRAGMA writable_schema = ON')  # lets SQLite open a file that is shorter than it says
            check_tables_of(database)
            definitions = {}
            with contextlib.suppress(apsw.Error):  # bags before Iron have no such table
                for name, kind, text in database.execute(
                    'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
                ):
                    definitions[name] = MessageDefinition(_IDL if kind == 'ros2idl' else _MSG, text)
            topics = {
                key: Topic(name, msgtype, definitions.get(msgtype, NO_DEFINITION))
                for key, name, msgtype in database.execute('SELECT id, name, type FROM topics')
            }
            query = 'SELECT topic_id, timestamp, data FROM messages NOT INDEXED ORDER BY id'
            for key, log_ns, data in database.execute(query):
                if key in topics:
                    yield topics[key], log_ns, data
    except (apsw.Error, TooLargeError) as error:
        lost.append(f'what follows cannot be read ({error})')


def _size(count: int) -> str:
    return f'{count / 1e6:.1f} MB' if count >= 1e5 else f'{count} bytes'


SALVAGE_SCANS: dict[str, Scan] = {'.mcap': scan_mcap, '.db3': scan_db3}
