"""Readers of what others made, each with a generator of hostile input: files, messages, headers, settings.

A case is a call of one of TARGETS with a generated input. It may return or raise an AffectPerceptionError; anything
else is a fault of ours.
"""

import io
import json
import math
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
from builders.label_files import alignable, elan_document, openface_csv, tier
from hypothesis import strategies as st

from affect_perception.core import message_readers
from affect_perception.core.face_position import to_depth
from affect_perception.core.images.compressed import FILES, decode_compressed
from affect_perception.core.images.encodings import to_rgb
from affect_perception.core.images.jpeg_stream import JpegSplitter
from affect_perception.dashboard import security
from affect_perception.dashboard.view_model import NodeState, ViewModel
from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.metrics import mot
from affect_perception.settings import EVERY_NODE, GROUPS, DashboardSettings
from affect_perception.sources.folder import natural_sort_key

FOLDER = Path(tempfile.mkdtemp(prefix='fuzz-'))
HOSTILE = (
    'nan', 'inf', '-inf', '1e999', '-1', '0', '²', '٣', '9' * 5000, '', ' ', '"', "'", '\0', '\r', '\n', ',', ';', '\t',
    '[]', '{}', 'null', 'true', '[' * 2000, '{"a":' * 500, '../..', '\u202e', 'a b', '//', '&lol;', '<![CDATA[', '%s',
    'encoding="PAL"', 'encoding="shift_jis"', 'TIME_VALUE="abc"', '2147483648', '1e308', '-0.0', '0x10', '1_000',
)  # fmt: skip
hostile_text = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))
numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-3, 700), st.floats(), st.sampled_from([10**400, math.inf, math.nan])
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, hostile_text),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(hostile_text, inner, max_size=4)),
    max_leaves=8,
)


PIECES = [text.encode(errors='replace') for text in HOSTILE]
EDITS, EDIT_BYTES = 5, 16


def edit(original: bytes, script: bytes) -> bytes:
    """`original` with up to five pieces replaced, removed, doubled or inserted, as the bytes of `script` say."""
    data = bytearray(original)
    for i in range(script[0] % (EDITS + 1)):
        at, length, kind = struct.unpack_from('>HBB', script, 2 + i * EDIT_BYTES)
        own = script[6 + i * EDIT_BYTES : 6 + i * EDIT_BYTES + kind % 13]
        at %= len(data) + 1
        if kind >= 240:
            own = bytes(data[at : at + 3 * length])
        data[at : at + length % 13] = own if kind >= 120 else PIECES[kind % len(PIECES)]
    return bytes(data[: script[1] * len(data) // 256] if script[0] >= 230 else data)


def edited(original: bytes) -> st.SearchStrategy[bytes]:
    """Edits of `original`, each of one draw: hypothesis takes a fifth of a millisecond for it."""
    size = 2 + EDITS * EDIT_BYTES
    return st.binary(min_size=size, max_size=size).map(lambda script: edit(original, script))


def one_of_files(*originals: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(*[edited(original) for original in originals], st.binary(max_size=200))


def file(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    return path


def picture(suffix: str) -> bytes:
    rgb = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)
    return bytes(cv2.imencode(suffix, rgb)[1])


ELAN = elan_document({'a': 0, 'b': 900}, tier('smile@left@anna', alignable('x', 'a', 'b', 'high'))).encode()
CSVS = (
    b'frame,person,smile\n0,1,0.5\n1,1,high\n',
    b'time;person;smile\n0,1;anna;2\n00:00:01;anna;3\n',
    b'file,smile\n1.jpg,0.5\n',
)
TOOL = openface_csv([(1, 0, 1, 2.5, 10.0), (2, 0, 0, 0.0, 12.0)]).encode()
AFFWILD = b'valence,arousal\n0.1,0.2\n-5,-5\n'
TRUTH = b'1,1,10,10,20,20,1,1,1\n2,1,11,10,20,20,0,1,1\n'


def message(fields: dict[str, Any]) -> SimpleNamespace:
    stamp = SimpleNamespace(sec=fields['width'], nanosec=fields['step'])
    return SimpleNamespace(header=SimpleNamespace(stamp=stamp, frame_id='camera'), **fields)


image_fields = st.fixed_dictionaries(
    {
        'data': st.binary(max_size=400),
        'width': st.integers(0, 2**32 - 1) | st.integers(0, 20),
        'height': st.integers(0, 2**32 - 1) | st.integers(0, 20),
        'step': st.integers(0, 2**32 - 1) | st.integers(0, 60),
        'encoding': st.sampled_from(
            ['rgb8', 'bgr8', 'mono8', 'mono16', '16UC1', '32FC1', 'bayer_rggb8', 'yuv422', 'nv12']
        )
        | hostile_text,
        'is_bigendian': st.integers(0, 255),
    }
)
camera_fields = st.fixed_dictionaries(
    {
        'k': st.lists(st.floats(), min_size=9, max_size=9),
        'd': st.lists(st.floats(), max_size=15),
        'width': st.integers(0, 2**32 - 1),
        'height': st.integers(0, 2**32 - 1),
        'distortion_model': st.sampled_from(['plumb_bob', 'rational_polynomial']) | hostile_text,
    }
)


def read_depth(fields: dict[str, Any]) -> None:
    to_depth(0, *(fields[name] for name in ('data', 'width', 'height', 'step', 'encoding', 'is_bigendian')))


def split(pieces: list[bytes]) -> None:
    splitter = JpegSplitter()
    for piece in pieces:
        splitter.feed(piece)


def check_request(texts: tuple[str, str, str]) -> None:
    host, origin, token = texts
    security.is_token(token, 'a-token-of-some-length')
    security.check_host(host, security.known_hosts(DashboardSettings()))
    security.check_origin(origin, host)


def show(values: dict[str, str]) -> None:
    model = ViewModel(60.0)
    model.put_node(NodeState('affect_node', 'OK', 'fine', values), 1.0)
    json.dumps(model.message(1.0, False), allow_nan=False)


def set_all(given: tuple[Any, dict[str, Any]]) -> None:
    group, values = given
    group.from_mapping(values)


@st.composite
def settings_of_a_node(draw) -> tuple[Any, dict[str, Any]]:
    group = draw(st.sampled_from([*GROUPS.values(), EVERY_NODE]))
    names = st.sampled_from([declared.name for declared in group.declared()]) | hostile_text
    return group, draw(st.dictionaries(names, json_values, max_size=4))


@st.composite
def checkpoint_header(draw) -> bytes:
    header = {'format': 1, 'model': 'smile_va', 'crop_size': 64, 'crop_margin': 0.2, 'model_settings': {}}
    for name in draw(st.lists(st.sampled_from(list(header)), max_size=3)):
        header[name] = draw(json_values)
    header['model_settings'] = draw(
        st.dictionaries(st.sampled_from(['channels', 'hidden', 'expressions']) | hostile_text, json_values, max_size=2)
    )
    try:
        text = json.dumps(header)
    except ValueError:
        text = '{}'
    table = json.dumps({'__metadata__': {'affect_perception': draw(st.just(text) | hostile_text)}}).encode()
    return struct.pack('<Q', len(table)) + table


def load_checkpoint(data: bytes) -> None:
    from affect_perception.models import checkpoint

    checkpoint.load(str(file('x.safetensors', data)))


METADATA = (
    b'rosbag2_bagfile_information:\n  version: 8\n  storage_identifier: mcap\n  relative_file_paths: [bag.mcap]\n'
    b'  compression_format: zstd\n  compression_mode: message\n'
)
DEFINITION = (
    'std_msgs/Header header\nuint8[4] data\nstring text\n' + '=' * 80 + '\nMSG: std_msgs/Header\nstring frame_id\n'
)


def bag_images(given: Any, metadata: bytes = b'') -> None:
    from affect_perception.settings import SourceSettings
    from affect_perception.sources.bags.source import BagImages

    folder = FOLDER / 'bag'
    folder.mkdir(exist_ok=True)
    (folder / 'bag.mcap').write_bytes(given)
    (folder / 'metadata.yaml').write_bytes(metadata or METADATA)
    for _ in BagImages(folder, SourceSettings(source=str(folder)), lambda error: None):
        pass


def mcap() -> bytes:
    from mcap.writer import CompressionType, Writer

    out = io.BytesIO()
    writer = Writer(out, compression=CompressionType.NONE)
    writer.start('ros2', 'fuzz')
    schema = writer.register_schema('sensor_msgs/msg/CompressedImage', 'ros2msg', DEFINITION.encode())
    channel = writer.register_channel('/image', 'cdr', schema)
    for i in range(2):
        writer.add_message(channel, i, bytes([0, 1, 0, 0]) + bytes(40), i)
    writer.finish()
    return out.getvalue()


def decode_message(given: tuple[bytes, bytes]) -> None:
    from affect_perception.sources.bags.message_types import MessageDefinition, MessageDefinitionFormat, Topic

    definition, data = given
    text = definition.decode(errors='replace')
    Topic('/x', 'x/msg/Y', MessageDefinition(MessageDefinitionFormat.MSG, text)).decode(data)


Target = tuple[st.SearchStrategy[Any], Callable[[Any], object]]
TARGETS: dict[str, Target] = {
    'elan': (one_of_files(ELAN), lambda data: read_labels([file('x.eaf', data)])),
    'csv labels': (one_of_files(*CSVS), lambda data: read_labels([file('x.csv', data)])),
    'openface': (one_of_files(TOOL), lambda data: read_labels([file('o.csv', data)])),
    'aff-wild2': (one_of_files(AFFWILD), lambda data: read_labels([file('x.txt', data)])),
    'truth': (one_of_files(TRUTH), lambda data: mot.read_truth(file('gt.txt', data))),
    'pictures': (one_of_files(*map(picture, ('.png', '.jpg', '.bmp', '.webp', '.tiff', '.ppm'))),
                 lambda data: decode_compressed(data, accepted=FILES)),
    'streamed pictures': (one_of_files(*map(picture, ('.png', '.jpg'))), decode_compressed),
    'jpeg stream': (st.lists(one_of_files(picture('.jpg')), max_size=4), split),
    'image messages': (image_fields, lambda fields: message_readers.frame_from_msg(message(fields))),
    'raw images': (image_fields, lambda f: to_rgb(f['data'], f['width'], f['height'], f['step'], f['encoding'])),
    'depth messages': (image_fields, read_depth),
    'camera_info': (camera_fields, lambda fields: message_readers.intrinsics_from_msg(SimpleNamespace(**fields))),
    'page options': (json_values.map(repr) | hostile_text, lambda text: page_options(text)),
    'requests': (st.tuples(hostile_text, hostile_text, hostile_text), check_request),
    'diagnostics': (st.dictionaries(st.sampled_from(['frames_dropped', 'rate_hz']), hostile_text, max_size=2), show),
    'settings': (settings_of_a_node(), set_all),
    'checkpoints': (checkpoint_header(), load_checkpoint),
    'file names': (hostile_text, natural_sort_key),
    'bags': (one_of_files(mcap()), bag_images),
    'bag metadata': (one_of_files(METADATA), lambda data: bag_images(mcap(), data)),
    'bag messages': (st.tuples(edited(DEFINITION.encode()), st.binary(max_size=60)), decode_message),
}  # fmt: skip


def page_options(text: str) -> None:
    from affect_perception.dashboard.connection import page_options as read

    read(text)


def run(target: str, given: Any) -> None:
    """One case; errors of the user are no fault."""
    try:
        TARGETS[target][1](given)
    except AffectPerceptionError as error:
        if not str(error):
            raise ValueError('an error without a text') from error
