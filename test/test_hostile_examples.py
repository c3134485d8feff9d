"""Hostile inputs by name, found by hand: each an error of ours with the file or the setting in it, or read."""

import io
import json
import math
import os
import re
import struct

import pytest
from builders.label_files import alignable, elan_document, tier

from affect_perception.cli import main
from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.report.results import read_run
from affect_perception.settings import EVERY_NODE, GROUPS
from affect_perception.sources.scene.portraits import read_index

ELAN = elan_document({'a': 0, 'b': 900}, tier('smile@left@anna', alignable('x', 'a', 'b', 'high')))
LONG = 'x' * 300
CHECKPOINT = {'format': 1, 'model': 'smile_va', 'crop_size': 64, 'crop_margin': 0.2, 'model_settings': {}}


@pytest.mark.parametrize(
    ('before', 'after', 'says'),
    [
        ('TIME_VALUE="900"', 'TIME_VALUE="abc"', "'abc'; wanted milliseconds"),
        ('encoding="UTF-8"', 'encoding="PAL"', 'unknown encoding: PAL'),
        ('encoding="UTF-8"', 'encoding="shift_jis"', 'multi-byte encodings are not supported'),
    ],
)
def test_elan_document_that_no_parser_takes_is_refused_with_its_name(tmp_path, before, after, says):
    assert before in ELAN
    (tmp_path / 'labels.eaf').write_text(ELAN.replace(before, after))
    with pytest.raises(ConfigError, match=r'labels\.eaf') as caught:
        read_labels([tmp_path / 'labels.eaf'])
    assert says in str(caught.value)


@pytest.mark.parametrize(
    'header',
    [
        json.dumps({**CHECKPOINT, 'model': []}),
        json.dumps({**CHECKPOINT, 'model_settings': {'channels': []}}),
        '[' * 100_000,
    ],
    ids=['model', 'channels', 'deep'],
)
def test_checkpoint_whose_header_has_another_structure_is_refused_with_its_name(tmp_path, header):
    checkpoint = pytest.importorskip('affect_perception.models.checkpoint', reason='needs PyTorch')
    table = json.dumps({'__metadata__': {'affect_perception': header}}).encode()
    (tmp_path / 'x.safetensors').write_bytes(struct.pack('<Q', len(table)) + table)
    with pytest.raises(ConfigError, match=r'x\.safetensors'):
        checkpoint.load(str(tmp_path / 'x.safetensors'))


@pytest.mark.parametrize('line', ['compression_mode: []', 'x: ' + '[' * 100_000], ids=['mode', 'deep'])
def test_bag_whose_metadata_have_another_structure_is_read_by_its_files(tmp_path, line):
    bags = pytest.importorskip('builders.bags', reason='needs rosbags')
    images = pytest.importorskip('builders.images', reason='needs rosbags')
    bag = bags.write_bag2(tmp_path / 'bag', {'/image': bags.shades(3)})
    text = (bag / 'metadata.yaml').read_text()
    (bag / 'metadata.yaml').write_text(
        '\n'.join(line if 'compression_mode' in row and 'mode' in line else row for row in text.splitlines())
        + f'\n{line}' * ('mode' not in line)
    )
    assert len(list(images.opened(bag))) == 3


def test_bag_that_lists_a_file_of_too_long_a_name_is_read_by_its_files(tmp_path):
    bags = pytest.importorskip('builders.bags', reason='needs rosbags')
    images = pytest.importorskip('builders.images', reason='needs rosbags')
    bag = bags.write_bag2(tmp_path / 'bag', {'/image': bags.shades(3)})
    text = (bag / 'metadata.yaml').read_text()
    (bag / 'metadata.yaml').write_text(
        re.sub(r'(relative_file_paths:).*?- \S+', r'\1\n  - ' + 'x' * 5000, text, flags=re.S)
    )
    assert 'x' * 5000 in (bag / 'metadata.yaml').read_text()
    assert len(list(images.opened(bag))) == 3


def test_message_whose_header_has_no_frame_id_is_a_bad_message():
    types = pytest.importorskip('affect_perception.sources.bags.message_types', reason='needs rosbags')
    text = 'std_msgs/Header header\nuint8[] data\n' + '=' * 80 + '\nMSG: std_msgs/Header\nuint32 seq\n'
    definition = types.MessageDefinition(types.MessageDefinitionFormat.MSG, text)
    with pytest.raises(AffectPerceptionError, match='cannot be read as sensor_msgs/msg/Image'):
        types.Topic('/x', 'sensor_msgs/msg/Image', definition).decode(bytes([0, 1, 0, 0]) + bytes(40))


@pytest.mark.parametrize(
    ('node', 'name', 'value', 'says'),
    [
        ('marker_node', 'overlay_width', 2**31, 'no finite number below 2147483648'),
        ('marker_node', 'overlay_width', 10**400, 'no finite number'),
        ('', 'latency_warn_ms', math.inf, 'no finite number'),
        ('', 'latency_warn_ms', 10**400, 'no finite number'),
        ('', 'latency_warn_ms', math.nan, 'out of range'),
    ],
)
def test_number_that_ros_or_arithmetic_cannot_take_is_refused(node, name, value, says):
    group = GROUPS[node] if node else EVERY_NODE
    with pytest.raises(ConfigError, match=name) as caught:
        group.from_mapping({name: value})
    assert says in str(caught.value)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize('arguments', [['run', '--source', '\udcff\udcfe'], ['run', '--\udcff'], ['models', '\udcff']])
def test_command_line_that_is_no_utf_8_is_one_line_and_status_2(monkeypatch, arguments):
    said = io.TextIOWrapper(io.BytesIO(), 'utf-8', 'backslashreplace', write_through=True)  # as Python's own
    monkeypatch.setattr('sys.stderr', said)
    try:
        status = main(arguments)
    except SystemExit as end:
        status = end.code
    assert status == 2
    text = said.buffer.getvalue().decode()
    assert 'Traceback' not in text
    assert '\\udcff' in text


@pytest.mark.parametrize(
    'command',
    [
        ['run', '--source', LONG],
        ['run', '--source', 'scene', '--duration', '1', '--record', LONG],
        ['evaluate', LONG, '--out', 'out'],
        ['train', LONG],
        ['compare', LONG, '--out', 'out'],
        ['prepare', 'lfw', LONG, 'out'],
    ],
    ids=lambda command: command[0],
)
def test_path_that_the_system_refuses_is_one_line_and_status_2(monkeypatch, tmp_path, capsys, command):
    monkeypatch.chdir(tmp_path)
    assert main(command) == 2
    said = capsys.readouterr().err.strip()
    assert 'File name too long' in said
    assert '\n' not in said


@pytest.mark.parametrize('name', ['faces.csv', 'metrics.json', 'index.csv'])
def test_damaged_table_is_refused_with_its_folder(tmp_path, name):
    (tmp_path / 'faces.csv').write_bytes(b'frame,stamp,track_id\n0' + b'\n' * (name == 'faces.csv'))
    (tmp_path / 'frames.csv').write_text('frame,stamp,file\n')
    (tmp_path / 'metrics.json').write_text('{"model": "x"}' if name != 'metrics.json' else '[' * 100_000)
    (tmp_path / 'index.csv').write_bytes(b'file,person,expression\n\xff,a,neutral\n')
    read = read_index if name == 'index.csv' else read_run
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        read(tmp_path)


@pytest.mark.parametrize('intensity', ['nan', '0.2 inf', '1e999', '-1', ' '])
def test_intensity_of_a_portrait_that_is_no_share_is_refused(tmp_path, intensity):
    (tmp_path / 'index.csv').write_text(f'file,person,expression,intensity\na,p,neutral,\nb,p,happy,{intensity}\n')
    with pytest.raises(ConfigError, match=r'index\.csv'):
        read_index(tmp_path)


@pytest.mark.parametrize(
    'text', ['9' * 120_000, '9' * 60_000 + '.' + '9' * 60_000 + '!', '.' * 120_000, '1e' + '9' * 120_000]
)
def test_number_of_a_hundred_thousand_digits_is_refused_in_less_than_hours(tmp_path, text):
    (tmp_path / 'x.txt').write_text(f'valence,arousal\n{text},0.2\n')
    with pytest.raises(ConfigError, match=r'x\.txt'):
        read_labels([tmp_path / 'x.txt'])


def test_bag_whose_metadata_are_a_named_pipe_is_read_by_its_files(tmp_path):
    bags = pytest.importorskip('builders.bags', reason='needs rosbags')
    images = pytest.importorskip('builders.images', reason='needs rosbags')
    bag = bags.write_bag2(tmp_path / 'bag', {'/image': bags.shades(3)})
    (bag / 'metadata.yaml').unlink()
    os.mkfifo(bag / 'metadata.yaml')
    assert len(list(images.opened(bag))) == 3


def test_training_file_without_an_end_is_refused(capsys):
    assert main(['train', '/dev/zero']) == 2
    assert 'cannot read training file /dev/zero: larger than 64 MB' in capsys.readouterr().err
