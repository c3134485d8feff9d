"""Readers of what others made, as functions of one generated input, and the structures that they read (fuzz.py)."""

import contextlib
import io
import json
import struct
import wave
from types import SimpleNamespace
from typing import Any

from builders.fuzz_inputs import FOLDER, file, hostile_text, json_values
from hypothesis import strategies as st

from affect_perception.core.face_position import to_depth
from affect_perception.core.images.jpeg_stream import JpegSplitter
from affect_perception.dashboard import security
from affect_perception.dashboard.view_model import NodeState, ViewModel
from affect_perception.errors import AffectPerceptionError
from affect_perception.runtime.masking import masked
from affect_perception.settings import EVERY_NODE, GROUPS, DashboardSettings
from affect_perception.sources import check_source
from affect_perception.sources.addresses import with_quoted_login


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


def wav() -> bytes:
    out = io.BytesIO()
    with wave.open(out, 'wb') as sound:
        sound.setparams((1, 2, 8000, 0, 'NONE', ''))
        sound.writeframes(bytes(800))
    return out.getvalue()


def hear(data: bytes) -> None:
    from affect_perception.sources.sound.media import MediaSound

    sound = MediaSound(file('x.wav', data))
    with contextlib.suppress(OSError):  # told by the audio node, which goes on
        for _ in sound:
            pass


def read_calibration(data: bytes) -> None:
    from affect_perception.ros.camera_info_file import read_camera_info

    read_camera_info(str(file('calibration.yaml', data)))


def read_results(data: tuple[bytes, bytes, bytes]) -> None:
    from affect_perception.evaluation.report.results import read_run

    for name, content in zip(('faces.csv', 'frames.csv', 'metrics.json'), data, strict=True):
        file(name, content)
    read_run(FOLDER)


def read_portraits(data: bytes) -> None:
    from affect_perception.sources.scene.portraits import read_index

    read_index(file('index.csv', data).parent)


def read_address(text: str) -> None:
    check_source(text)
    masked(text)
    for prefix in ('http://', 'rtsp://u:p@', 'udp://', 'srt://', 'topic:', 'camera:'):
        with contextlib.suppress(AffectPerceptionError):
            check_source(prefix + text)
        if '://' in prefix:
            masked(prefix + text)
            with contextlib.suppress(AffectPerceptionError):
                with_quoted_login(prefix + text)


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


def page_options(text: str) -> None:
    from affect_perception.dashboard.connection import page_options as read

    read(text)
