"""Recordings of `run --record`: readable by other programs, equal to offline evaluation of the same images."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip('rosbags', reason='needs rosbags (pip install affect-perception[bags])')

from conftest import wait_until

from affect_perception.evaluation.offline.runner import evaluate
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.sources.bags.reader import BagReader
from affect_perception.sources.scene.scene import Scene

HOG = TrackerSettings(detector='dlib_hog')
CPU = AffectSettings(device='cpu')
FRAMES = 20
TOPICS = ('/face_affect', '/face_tracks', '/image')


def table(given: Path, out: Path, start_from: str = 'images') -> list[dict]:
    evaluate(str(given), out, SourceSettings(source=str(given)), HOG, CPU, sequence=True, start_from=start_from)
    with (out / 'faces.csv').open() as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict], *names: str) -> np.ndarray:
    return np.array([[float(row[name]) for name in names] for row in rows])


SMILE = ('smile_intensity', 'p_neutral', 'p_low', 'p_medium', 'p_high')


@pytest.fixture(scope='module')
def frames(tmp_path_factory) -> Path:
    """Two people as a folder of frames."""
    folder = tmp_path_factory.mktemp('frames')
    scene = Scene(640, 360, 30.0, people=2, seed=3, duration_s=2)
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f'{index}.png'), scene.frame(2 * index).rgb[..., ::-1])
    return folder


@pytest.fixture(scope='module')
def recorded(frames, tmp_path_factory) -> tuple[Path, dict]:
    """A live run over those frames that lost none, recorded with its images; and its summary."""
    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
    from affect_perception.graph.run import RunningGraph
    from affect_perception.nodes.recorder_node import Recording

    bag = tmp_path_factory.mktemp('recorded') / 'bag'
    settings = {
        'camera_node': {'rate': 0.0},
        'face_tracker_node': {'detector': 'dlib_hog'},
        'affect_node': {'device': 'cpu', 'backend': 'fixed'},  # as offline; `auto` takes what the clock says
    }
    with RunningGraph(str(frames), settings, record=Recording(bag, images=True)) as running:
        written = running.recorder.writer.written
        wait_until(lambda: running.finished and all(written[topic] == FRAMES for topic in TOPICS), 120)
        running.drain()
        return bag, running.summary()


@pytest.mark.ros
def test_every_message_of_a_lossless_run_is_in_the_bag(recorded):
    bag, summary = recorded
    kept = summary['recorded']
    assert (kept['bag'], kept['dropped'], kept['stopped']) == (str(bag), 0, None)
    assert {topic: kept['messages'][topic] for topic in TOPICS} == dict.fromkeys(TOPICS, FRAMES)
    assert kept['messages']['/agent_behaviour'] > 0
    bad = []
    assert dict(BagReader(bag, bad.append).counts) == kept['messages']
    assert not bad


@pytest.mark.ros
def test_live_and_offline_agree_on_every_id_and_number(frames, recorded, tmp_path):
    live = table(recorded[0], tmp_path / 'live', 'affect')
    offline = table(frames, tmp_path / 'offline')
    assert len(live) == len(offline) > FRAMES
    for name in ('frame', 'track_id', 'smile_level'):
        assert [row[name] for row in live] == [row[name] for row in offline]
    np.testing.assert_allclose(numbers(live, *SMILE), numbers(offline, *SMILE), atol=1e-3)
    np.testing.assert_allclose(numbers(live, 'confidence'), numbers(offline, 'confidence'), atol=1e-3)
    box = ('x', 'y', 'width', 'height')
    np.testing.assert_allclose(numbers(live, *box), numbers(offline, *box), atol=1.01)  # messages hold whole pixels


@pytest.mark.ros
def test_recorded_tracks_and_recorded_images_give_what_the_live_run_gave(recorded, tmp_path):
    live = table(recorded[0], tmp_path / 'live', 'affect')
    for start_from in ('tracks', 'images'):
        again = table(recorded[0], tmp_path / start_from, start_from)
        for name in ('stamp', 'track_id'):
            assert [row[name] for row in again] == [row[name] for row in live]
        np.testing.assert_allclose(numbers(again, *SMILE), numbers(live, *SMILE), atol=1e-3)


@pytest.mark.ros
def test_another_reader_finds_definitions_and_messages(recorded):
    from mcap.reader import make_reader

    with (recorded[0] / 'bag.mcap').open('rb') as file:
        reader = make_reader(file, validate_crcs=True)
        summary = reader.get_summary()
        assert reader.get_header().profile == 'ros2'
        assert summary.statistics.message_count == len(list(reader.iter_messages()))
        assert len(list(reader.iter_messages(TOPICS))) == 3 * FRAMES
    assert {channel.message_encoding for channel in summary.channels.values()} == {'cdr'}
    definitions = {schema.name: schema for schema in summary.schemas.values()}
    assert {schema.encoding for schema in definitions.values()} == {'ros2msg'}
    text = definitions['affect_perception/msg/FaceAffectArray'].data.decode()
    assert 'MSG: affect_perception/FaceAffect\n' in text
    assert 'uint8 SMILE_HIGH=3' in text


@pytest.mark.ros
def test_metadata_is_that_of_rosbag2_with_the_type_hashes_of_ros(recorded):
    import yaml

    from affect_perception.sources.bags.message_types import definitions_folder

    about = yaml.safe_load((recorded[0] / 'metadata.yaml').read_text())['rosbag2_bagfile_information']
    assert (about['storage_identifier'], about['relative_file_paths']) == ('mcap', ['bag.mcap'])
    for topic in (entry['topic_metadata'] for entry in about['topics_with_message_count']):
        package, _, name = topic['type'].partition('/msg/')
        if package == 'affect_perception':
            described = json.loads((definitions_folder() / f'{name}.json').read_text())  # by rosidl, at the build
            assert topic['type_description_hash'] == described['type_hashes'][0]['hash_string']


@pytest.mark.ros
@pytest.mark.parametrize('images', [False, True])
def test_images_are_recorded_only_on_request(ros, tmp_path, images):
    from sensor_msgs.msg import Image

    from affect_perception.msg import FaceAffectArray
    from affect_perception.nodes.recorder_node import RecorderNode, Recording
    from affect_perception.ros.executors import Spinner

    recorder = RecorderNode(Recording(tmp_path / 'bag', images), TrackerSettings(), Image)
    talker = ros.create_node('talker')
    spinner = Spinner([recorder])
    publishers = [talker.create_publisher(*p, 10) for p in ((Image, 'image'), (FaceAffectArray, 'face_affect'))]
    wanted = publishers if images else publishers[1:]
    wait_until(lambda: all(p.get_subscription_count() for p in wanted))
    for publisher, message in zip(publishers, (Image(), FaceAffectArray()), strict=True):
        publisher.publish(message)
    wait_until(lambda: len(recorder.writer.written) == len(wanted))
    spinner.close()
    recorder.close()
    assert sorted(recorder.summary()['messages']) == (['/face_affect', '/image'] if images else ['/face_affect'])
    for node in (recorder, talker):
        node.destroy_node()


@pytest.mark.ros
def test_recording_into_something_that_exists_is_refused(tmp_path):
    from affect_perception.cli import main

    pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
    assert main(['run', '--source', 'scene', '--record', str(tmp_path)]) == 2
    assert main(['run', '--source', 'scene', '--record-images']) == 2
