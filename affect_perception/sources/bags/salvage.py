"""What can still be read of a bag that is cut off, damaged or without an index: its records, one after the other.

Each scan yields (topic, time of recording in ns, serialised message) in the order of the file, until its end or until
what follows makes no sense; then it adds to `lost`, in words, what that costs.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

from mcap.records import Channel, Chunk, DataEnd, McapRecord, Message, Schema
from mcap.stream_reader import StreamReader, breakup_chunk
from rosbags.interfaces import MessageDefinition, MessageDefinitionFormat
from rosbags.rosbag1.reader import Header, RecordType, decompressors, normalize, read_bytes, read_uint32
from rosbags.typesys.msg import normalize_msgtype

from affect_perception.errors import BadInputError
from affect_perception.sources.bags.message_types import NO_DEFINITION, Topic

Message3 = tuple[Topic, int, bytes]
Scan = Callable[[Path, list[str]], Iterator[Message3]]

_MSG, _IDL = MessageDefinitionFormat.MSG, MessageDefinitionFormat.IDL
_MCAP_FORMATS = {'ros1msg': _MSG, 'ros2msg': _MSG, 'ros2idl': _IDL, 'omgidl': _IDL}
_LARGEST_RECORD = 2**30  # bytes; a longer one is a damaged length


class Salvaged:
    """A file that its index does not open. `counts` holds the messages found per topic."""

    def __init__(self, path: Path, scan: Scan, reason: str, on_bad: Callable[[BadInputError], None]):
        self._path, self._scan = path, scan
        lost: list[str] = []
        self.counts: Counter[Topic] = Counter(topic for topic, _, _ in scan(path, lost))
        if lost:
            found = f'{self.counts.total()} messages were found in it, ' if self.counts else 'nothing was found in it, '
            on_bad(BadInputError('bag', f'{path} is damaged ({reason}): {found}' + '; '.join(lost)))

    def messages(self, wanted: set[str]) -> Iterator[Message3]:
        return (found for found in self._scan(self._path, []) if found[0].name in wanted)


def scan_mcap(path: Path, lost: list[str]) -> Iterator[Message3]:
    """Chunks that do not decompress or whose checksum is wrong are left out, and the next ones are read."""
    schemas: dict[int, Schema] = {}
    topics: dict[int, Topic] = {}
    bad_chunks, bad_bytes, ended = 0, 0, False
    with path.open('rb') as file:
        records = StreamReader(file, emit_chunks=True, record_size_limit=_LARGEST_RECORD).records
        with contextlib.suppress(Exception):  # damaged bytes fail wherever they lead the parser; `ended` tells
            for record in records:
                ended = isinstance(record, DataEnd)
                if ended:
                    break
                try:
                    parts = breakup_chunk(record, validate_crc=True) if isinstance(record, Chunk) else [record]
                except Exception:
                    bad_chunks, bad_bytes = bad_chunks + 1, bad_bytes + len(record.data)
                    continue
                yield from _mcap_messages(parts, schemas, topics)
        left = path.stat().st_size - file.tell()
    if bad_chunks:
        lost.append(f'{bad_chunks} chunks of {_size(bad_bytes)} cannot be read')
    if not ended:
        lost.append(f'it ends in the middle of a record{f", {_size(left)} are left over" if left else ""}')


def _mcap_messages(
    records: list[McapRecord], schemas: dict[int, Schema], topics: dict[int, Topic]
) -> Iterator[Message3]:
    for record in records:
        if isinstance(record, Schema):
            schemas[record.id] = record
        elif isinstance(record, Channel):
            schema = schemas.get(record.schema_id)
            known = _MCAP_FORMATS.get(schema.encoding) if schema else None
            definition = MessageDefinition(known, schema.data.decode()) if known else NO_DEFINITION
            msgtype = normalize_msgtype(schema.name) if schema and '/' in schema.name else ''
            topics[record.id] = Topic(record.topic, msgtype, definition, record.message_encoding == 'ros1')
        elif isinstance(record, Message) and record.channel_id in topics:
            yield topics[record.channel_id], record.log_time, record.data


def scan_db3(path: Path, lost: list[str]) -> Iterator[Message3]:
    """In the order of writing, which needs no index; with the part of the file that is there."""
    with contextlib.closing(sqlite3.connect(f'{path.absolute().as_uri()}?mode=ro', uri=True)) as database:
        try:
            database.execute('PRAGMA writable_schema = ON')  # lets SQLite open a file that is shorter than it says
            definitions = {}
            with contextlib.suppress(sqlite3.Error):  # bags before Iron have no such table
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
        except sqlite3.Error as error:
            lost.append(f'what follows cannot be read ({error})')


def scan_bag(path: Path, lost: list[str]) -> Iterator[Message3]:
    """ROS 1: chunks carry their connections with them, so the index at the end of the file is not needed."""
    topics: dict[int, Topic] = {}
    with path.open('rb') as file:
        size = path.stat().st_size
        file.readline()  # #ROSBAG V2.0
        while file.tell() < size:
            start = file.tell()
            try:
                header = Header.read(file)
                kind, data = header.get_uint8('op'), read_bytes(file, read_uint32(file))
                if kind == RecordType.CHUNK:
                    data = decompressors[header.get_string('compression')](data)
                    found = list(_bag_messages(BytesIO(data), topics))
                elif kind == RecordType.CONNECTION:
                    found = _add_connection(header, data, topics)
                else:
                    found = []
            except Exception:  # damaged bytes fail wherever they lead the parser
                lost.append(f'the last {_size(size - start)} of {_size(size)} cannot be read')
                return
            yield from found


def _bag_messages(chunk: BytesIO, topics: dict[int, Topic]) -> Iterator[Message3]:
    size = chunk.getbuffer().nbytes
    while chunk.tell() < size:
        header = Header.read(chunk)
        data = read_bytes(chunk, read_uint32(chunk))
        if header.get_uint8('op') == RecordType.CONNECTION:
            _add_connection(header, data, topics)
        elif header.get_uint8('op') == RecordType.MSGDATA:
            yield topics[header.get_uint32('conn')], header.get_time('time'), data


def _add_connection(header: Header, data: bytes, topics: dict[int, Topic]) -> list[Message3]:
    # The data of a connection record is a header of its own, without the length that others begin with.
    about = Header.read(BytesIO(len(data).to_bytes(4, 'little') + data))
    definition = MessageDefinition(_MSG, about.get_string('message_definition'))
    msgtype = normalize_msgtype(about.get_string('type'))
    topics[header.get_uint32('conn')] = Topic(normalize(header.get_string('topic')), msgtype, definition, ros1=True)
    return []


def _size(count: int) -> str:
    return f'{count / 1e6:.1f} MB' if count >= 1e5 else f'{count} bytes'


SCANS: dict[str, Scan] = {'.mcap': scan_mcap, '.db3': scan_db3, '.bag': scan_bag, '.active': scan_bag}
