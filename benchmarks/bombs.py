"""Seconds and memory that small hostile files cost, each reader with the files that ask it for most.

`python benchmarks/bombs.py [--only WORD ...] [--out FILE]` reads each file in a child process of its own and prints a
table and one JSON object: CPU seconds, growth of the most memory in MB, and what was said. At most 1 s and 300 MB are
wanted of each.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import resource
import sqlite3
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / 'test'))
from builders import bombs as pictures
from builders.bags import shades, write_bag2
from builders.label_files import elan_document

from affect_perception.bench.machine import machine, save_result
from affect_perception.core.images.compressed import FILES, decode_compressed, decode_photo
from affect_perception.core.images.heif import decode_heif
from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.metrics.mot import read_truth
from affect_perception.models import checkpoint
from affect_perception.ros.camera_info_file import read_camera_info
from affect_perception.settings import AudioSettings, SourceSettings
from affect_perception.sources import open_source
from affect_perception.sources.bags.message_types import (
    MessageDefinition,
    MessageDefinitionFormat,
    Topic,
)
from affect_perception.sources.bags.reader import zstd
from affect_perception.sources.sound import open_sound
from affect_perception.training.settings import read_mapping

LIMIT_S, LIMIT_MB = 1.0, 300.0
_GIVE_UP_S = 120
_RULE = '\n' + '=' * 80 + '\n'
NESTED = f'x/Z[1000] z{_RULE}MSG: x/Z\nx/W[1000] w{_RULE}MSG: x/W\nstring[1000] s'
LAUGHS = 'a: &a [x,x,x,x,x,x,x,x,x]\n' + ''.join(
    f'{b}: &{b} [{",".join(["*" + a] * 9)}]\n' for a, b in pairwise('abcdefghi')
)
Bomb = tuple[int, Callable[[], object]]  # bytes, reading


def main(argv: list[str] | None = None) -> int:
    """Measure all bombs; 1 if one is over the limits."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='+', default=[], help='words in the names of the bombs')
    parser.add_argument('--out', type=Path)
    args = parser.parse_args(argv)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        warm_up(Path(folder))
        for name, (size, read) in all_bombs(Path(folder)).items():
            if args.only and not any(word in name for word in args.only):
                continue
            rows.append(row := {'bomb': name, 'bytes': size, **measured(read)})
            row['said'] = row['said'].replace(folder + '/', '')
            cost = f'{size:>9} B{row["seconds"]:8.2f} s{row["mb"]:8.0f} MB'
            print(f'{name:<50}{cost}   {row["said"][:80]}', flush=True)
    over = [row['bomb'] for row in rows if row['seconds'] > LIMIT_S or row['mb'] > LIMIT_MB]
    most = {key: max((row[key] for row in rows), default=0) for key in ('seconds', 'mb')}
    result = {'rows': rows, 'over': over, 'most': most, 'machine': machine()}
    save_result(result, args.out)
    print(json.dumps(result))
    return bool(over)


def warm_up(folder: Path) -> None:
    """Read one harmless file of each kind, so that imports are not counted."""
    for storage in ('mcap', 'sqlite3'):
        source(write_bag2(folder / storage, {'/image': shades(2)}, storage=storage))()
    for data in (b'', b'x' * 100, pictures.png(64, 64)):
        refused(lambda data=data: streamed(data))
    for name in ('x.mp4', 'x.gif', 'x.eaf', 'x.safetensors', 'x.wav'):
        path = file(folder, name, b'x' * 100)
        refused(source(path))
        refused(lambda path=path: read_labels([path]))
        refused(lambda path=path: checkpoint.load(str(path)))
        refused(lambda path=path: hear(path))
    refused(lambda: decode_heif(b'\0\0\0\x1cftypavif' + bytes(100)))


def refused(read: Callable[[], object]) -> str:
    """First words of the refusal; 'read' if there was none."""
    try:
        read()
    except AffectPerceptionError as error:
        return str(error).partition('\n')[0][:240]
    return 'read'


def measured(read: Callable[[], object]) -> dict[str, Any]:
    """CPU seconds, MB and words of `read`, run in a fork of this process."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if not pid:
        resource.setrlimit(resource.RLIMIT_CPU, (_GIVE_UP_S, _GIVE_UP_S))
        before, start_s = pictures.peak_mb(), time.process_time()
        try:
            said = refused(read)
        except BaseException as error:  # noqa: BLE001 - a finding
            said = f'TRACEBACK {type(error).__name__}: {error}'
        row = {'seconds': round(time.process_time() - start_s, 2), 'mb': pictures.peak_mb() - before, 'said': said}
        os.write(theirs, json.dumps(row).encode()[:4000])
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, 'rb') as pipe:
        answer = pipe.read()
    os.waitpid(pid, 0)
    return json.loads(answer) if answer else {'seconds': float(_GIVE_UP_S), 'mb': 0, 'said': 'KILLED'}


def source(path: Path) -> Callable[[], object]:
    """Reading of a source to its end, or of 50 images."""

    def read() -> None:
        bad: list[Exception] = []
        for count, _ in enumerate(open_source(SourceSettings(source=str(path)), bad.append), 1):
            if count == 50:
                break
        if bad:
            raise bad[0]

    return read


def streamed(data: bytes) -> object:
    """Decode an image of a message or a stream, as if it might be of any format that a file may have."""
    return decode_compressed(data, accepted=FILES)


def hear(path: Path) -> None:
    """Read up to 50 blocks of a sound file."""
    sound = open_sound(str(path), SourceSettings(source='scene'), AudioSettings(audio=str(path)), [].append)
    for count, _ in enumerate(sound, 1):
        if count == 50:
            break


def file(folder: Path, name: str, data: bytes) -> Path:
    """A new file of that name, in a folder of its own."""
    path = Path(tempfile.mkdtemp(dir=folder)) / name
    path.write_bytes(data)
    return path


def all_bombs(folder: Path) -> dict[str, Bomb]:
    """Every bomb by name."""
    return {**picture_bombs(), **media_bombs(folder), **bag_bombs(folder), **schema_bombs(folder), **file_bombs(folder)}


def picture_bombs() -> dict[str, Bomb]:
    """Images in messages, streams and folders."""
    found: dict[str, Bomb] = {}
    for name, data in {**pictures.BOMBS, 'tiff of 26 kB': tiff_of_zeros(), 'jpeg 2000 of 1 kB': jpeg_2000()}.items():
        for door, read in (('', streamed), (', as a photo', decode_photo)):
            found[name + door] = len(data), lambda read=read, data=data: read(data)
    heic = b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + b'\xff' * 300
    found['heic of garbage'] = len(heic), lambda: decode_heif(heic)
    return found


def tiff_of_zeros() -> bytes:
    """26 kB of a deflated TIFF of 30000 x 30000."""
    strip = zlib.compress(bytes(27_000_000), 9)
    data = pictures.tiff(30000, 30000, (259, 3, 1, 8), (273, 4, 1, 200), (278, 4, 1, 30000), (279, 4, 1, len(strip)))
    return data.ljust(200, b'\0') + strip


def jpeg_2000() -> bytes:
    """Header of a JPEG 2000 codestream of 30000 x 30000."""
    size = struct.pack('>HIIIIIIIIH', 0, 30000, 30000, 0, 0, 30000, 30000, 0, 0, 3) + b'\x07\x01\x01' * 3
    return b'\xff\x4f\xff\x51' + struct.pack('>H', len(size) + 2) + size + bytes(1000)


def media_bombs(folder: Path) -> dict[str, Bomb]:
    """Files that are opened as videos and as sound."""
    gif = b'GIF89a\xff\xff\xff\xff\x80\0\0' + bytes(6) + b'\x2c\0\0\0\0\xff\xff\xff\xff\0\x02'
    videos = {
        'video.gif': gif + b'\xff\0' * 350_000 + b'\0;',
        'video.mp4': b'\0\0\0\x18ftypmp42\0\0\0\0mp42isom' + struct.pack('>I4s', 0x7FFFFFF0, b'moov') + bytes(2000),
        'video.avi': b'RIFF\xff\xff\xff\x7fAVI LIST\xff\xff\xff\x7fhdrlavih' + bytes(2000),
        'video.mkv': b'\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xfe' + bytes(2000),
        'video.y4m': b'YUV4MPEG2 W65535 H65535 F25:1 C420\nFRAME\n' + bytes(1000),
    }
    found: dict[str, Bomb] = {name: (len(data), source(file(folder, name, data))) for name, data in videos.items()}
    form = struct.pack('<IHHIIHH', 16, 1, 65535, 192000, 0xFFFFFFFF, 65535, 16)
    wav = b'RIFF\xff\xff\xff\x7fWAVEfmt ' + form + b'data\xff\xff\xff\x7f' + bytes(500)
    path = file(folder, 'sound.wav', wav)
    found['sound.wav of 65535 channels'] = len(wav), lambda: hear(path)
    return found


def bag_bombs(folder: Path) -> dict[str, Bomb]:
    """Recordings: compressed files, chunks, records and metadata."""
    packed = file(folder, 'bag.mcap.zstd', zstd.compress(bytes(64 * 2**20)) * 160)  # 10 GB
    found: dict[str, Bomb] = {'mcap.zstd that unpacks to 10 GB': (packed.stat().st_size, source(packed))}
    good = write_bag2(folder / 'good', {'/image': shades(5)})
    mcap, metadata = next(good.glob('*.mcap')).read_bytes(), (good / 'metadata.yaml').read_text()
    chunk = struct.pack('<QQQII', 0, 0, 2**60, 0, 4) + b'zstd' + struct.pack('<Q', 100) + bytes(100)
    for name, record in {
        'mcap with a chunk that claims 2^60 bytes': b'\x06' + struct.pack('<Q', len(chunk)) + chunk,
        'mcap with a record that claims 2^62 bytes': b'\x01' + struct.pack('<Q', 2**62) + bytes(100),
    }.items():
        data = mcap[:8] + record + mcap[-8:]
        found[name] = len(data), source(file(folder, 'bag.mcap', data))
    for name, text in {
        'aliases of aliases': LAUGHS,
        '100,000 levels': metadata + 'x: ' + '[' * 100_000,
        'compression_mode: []': metadata.replace('compression_mode: ""', 'compression_mode: []'),
    }.items():
        bag = write_bag2(folder / f'bag {name}', {'/image': shades(5)})
        (bag / 'metadata.yaml').write_text(text)
        found[f'metadata.yaml: {name}'] = len(text), source(bag)
    return found


def schema_bombs(folder: Path) -> dict[str, Bomb]:
    """Recordings whose definitions of messages or tables ask for more than they hold."""
    found: dict[str, Bomb] = {}
    for name, definition in {
        'of 2 billion bytes': 'uint8[2000000000] x',
        'of 100 million texts': 'string[100000000] x',
        'nested 1000 times 1000': NESTED,
        'that contains itself': 'x/Y[2] y',
        'of 1 MB': '# ' + 'x' * 10**6,
    }.items():
        topic = Topic('/x', 'x/msg/Y', MessageDefinition(MessageDefinitionFormat.MSG, definition))
        found[f'message definition {name}'] = len(definition), lambda topic=topic: topic.decode(bytes(100))
    zeros = 'zeroblob(1000000000)'
    endless = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)'
    for name, view in {
        'a view of zeros': f'SELECT id, topic_id, timestamp, {zeros} AS data FROM old',
        'an endless view': f"{endless} SELECT i AS id, 1 AS topic_id, i AS timestamp, x'00' AS data FROM n",
    }.items():
        bag = write_bag2(folder / f'bag {name}', {'/image': shades(5)}, storage='sqlite3')
        path = next(bag.glob('*.db3'))
        script = f'ALTER TABLE messages RENAME TO old; DROP INDEX timestamp_idx; CREATE VIEW messages AS {view};'
        with closing(sqlite3.connect(path)) as database:
            database.executescript(script)
            database.commit()
        found[f'sqlite bag with {name}'] = path.stat().st_size, source(bag)
    return found


def file_bombs(folder: Path) -> dict[str, Bomb]:
    """Labels, truths, settings and checkpoints."""
    entities = ''.join(f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in pairwise('abcdefghi'))
    tiers = re.sub(r'^<\?xml.*?\?>', '', elan_document({}, '<TIER>&i;</TIER>'))
    laughs = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol">{entities}]>{tiers}'
    network = {'format': 1, 'model': 'smile_va', 'crop_size': 64, 'crop_margin': 0.2}
    network['model_settings'] = {'channels': [10**9], 'hidden': 10**9}
    far = {'dtype': 'F32', 'shape': [10**15], 'data_offsets': [0, 4 * 10**15]}
    files: dict[str, tuple[str, bytes, Callable[[Path], object]]] = {
        'elan: a billion laughs': ('x.eaf', laughs.encode(), read_label_file),
        'elan: 100,000 levels': ('x.eaf', b'<a>' * 100_000, read_label_file),
        'csv: one line of 20 MB': ('x.csv', b'frame,person,smile\n' + b'1,' * 10_000_000, read_label_file),
        'csv: frame 10^18': ('x.csv', b'frame,person,smile\n1000000000000000000,1,high\n', read_label_file),
        'csv: gzip': ('x.csv', gzip.compress(bytes(10**8)), read_label_file),
        'truth: frame 10^12': ('gt.txt', b'1,1,1,1,20,20,1,1,1\n1000000000000,1,1,1,20,20,1,1,1\n', read_truth),
        'training file: aliases of aliases': ('x.yaml', LAUGHS.encode(), read_mapping),
        'camera_info: aliases of aliases': ('x.yaml', LAUGHS.encode(), lambda path: read_camera_info(str(path))),
        'checkpoint: header of 2^62 bytes': ('x.safetensors', struct.pack('<Q', 2**62) + b'{}', load),
        'checkpoint: tensor of 10^15 values': ('x.safetensors', tensors(json.dumps({'x': far})), load),
        'checkpoint: 100,000 levels': ('x.safetensors', tensors('{"a":' * 100_000), load),
        'checkpoint: 10^9 channels': ('x.safetensors', tensors(described(network)), load),
    }
    found: dict[str, Bomb] = {}
    for name, (file_name, data, read) in files.items():
        path = file(folder, file_name, data)
        found[name] = len(data), lambda read=read, path=path: read(path)
    return found


def read_label_file(path: Path) -> object:
    """Labels of one file."""
    return read_labels([path])


def load(path: Path) -> object:
    """Network of a checkpoint."""
    return checkpoint.load(str(path))


def described(header: dict[str, Any]) -> str:
    """Table of a checkpoint with this header and no tensors."""
    return json.dumps({'__metadata__': {'affect_perception': json.dumps(header)}})


def tensors(table: str) -> bytes:
    """A safetensors file with this table and no data."""
    return struct.pack('<Q', len(table)) + table.encode()


if __name__ == '__main__':
    sys.exit(main())
