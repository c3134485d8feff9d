"""Choice of the parts of the graph that run, and that the overlay shows the images that the tracker gets."""

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from builders.papers import paper_checkpoint

from affect_perception.errors import ConfigError
from affect_perception.graph.flags import parse_flags
from affect_perception.graph.graph import Graph, has_viewer_process, overlay_settings
from affect_perception.settings import GraphSettings, TrackerSettings

pytestmark = pytest.mark.ros

SETTINGS = {'face_tracker_node': {'detector': 'dlib_hog', 'reid': 'off'}, 'affect_node': {'device': 'cpu'}}


def test_flags_switch_parts():
    parts = {'agent': False, 'markers': True, 'hri': True}
    assert parse_flags(['--no-agent', '--markers', '--hri', '--no-camera']) == (parts, {}, False)
    assert parse_flags([]) == ({}, {}, True)
    parts = {'hri': False, 'viewer_process': 'thread'}
    assert parse_flags(['--viewer-process', 'thread', '--no-hri', '--ros-args', '-r', 'a:=b']) == (parts, {}, True)


def test_flags_set_settings_of_nodes_in_their_type():
    flags = parse_flags(
        ['--set', 'camera_node.source=0', '--set', 'camera_node.rate=0', '--set', 'camera_node.loop=true']
    )
    assert flags.settings == {'camera_node': {'source': '0', 'rate': 0.0, 'loop': True}}


@pytest.mark.parametrize(
    ('arguments', 'says'),
    [
        (['--dashbord'], 'did you mean --dashboard'),
        (['--set', 'camera.source=scene'], 'did you mean camera_node'),
        (['--set', 'camera_node.sorce=scene'], 'did you mean source'),
        (['--set', 'camera_node.source'], 'wanted NODE.SETTING=VALUE'),
        (['--set'], 'wanted NODE.SETTING=VALUE'),
    ],
)
def test_misspelt_flag_node_or_setting_is_refused_with_the_nearest_name(arguments, says):
    with pytest.raises(ConfigError, match=says):
        parse_flags(arguments)


def test_earlier_name_of_a_flag_and_setting_still_works():
    parts = parse_flags(['--watch-beside', 'thread']).parts
    assert GraphSettings.from_mapping(parts).viewer_process == 'thread'
    assert GraphSettings.from_mapping({'watch_beside': 'process'}).viewer_process == 'process'


@pytest.mark.parametrize('arguments', [['--viewer-process', 'elsewhere'], ['--watch-beside']])
def test_place_that_there_is_not_is_refused(arguments):
    with pytest.raises(ConfigError, match=r'viewer_process = .* allowed: auto, thread, process'):
        GraphSettings.from_mapping(parse_flags(arguments).parts)


def test_parts_run_beside_unless_told_otherwise_or_there_are_none():
    assert has_viewer_process(GraphSettings())
    assert has_viewer_process(GraphSettings(agent=False, markers=False, dashboard=True))
    assert not has_viewer_process(GraphSettings(viewer_process='thread'))
    assert not has_viewer_process(GraphSettings(viewer_process='process', agent=False, markers=False))


def test_overlay_shows_the_images_of_the_tracker():
    assert overlay_settings(TrackerSettings()) == {}
    settings = TrackerSettings(image_topic='/cam/image/compressed', camera_info_topic='/cam/info')
    assert overlay_settings(settings) == {
        'overlay_image_topic': '/cam/image/compressed',
        'overlay_camera_info_topic': '/cam/info',
    }


def test_overlay_that_is_given_images_of_another_topic_hears_only_their_camera_info():
    assert overlay_settings(TrackerSettings(), given=True) == {}
    settings = TrackerSettings(image_topic='/cam/image/compressed', image_transport='compressed')
    assert overlay_settings(settings, given=True) == {'overlay_camera_info_topic': '/cam/camera_info'}


def test_part_that_is_switched_off_is_not_there(ros):
    graph = Graph({**SETTINGS, 'graph': {'agent': False, 'viewer_process': 'thread'}}, camera=False)
    try:
        assert (graph.agent, graph.hri, graph.viewers) == (None, None, None)
        assert {node.get_name() for node in graph.nodes} == {'affect_node', 'face_tracker_node', 'marker_node'}
    finally:
        graph.close()
        for node in graph.nodes:
            node.destroy_node()


def test_crops_of_the_tracker_have_the_size_that_the_model_was_trained_on(ros, tmp_path, caplog):
    model = paper_checkpoint('witzig2019', tmp_path, crop_size=160)
    parts = {'agent': False, 'markers': False, 'viewer_process': 'thread'}
    affect = {'model': model, 'device': 'cpu', 'backend': 'torch'}
    tracker = {'detector': 'dlib_hog', 'detect_beside': 'thread', 'crop_margin': 0.3}
    graph = Graph({'affect_node': affect, 'face_tracker_node': tracker, 'graph': parts}, camera=False)
    try:
        assert graph.tracker.settings.crop_size == graph.tracker.get_parameter('crop_size').value == 160
        assert 'trained on crops with a margin of 0.15, the tracker gives 0.3' in caplog.text
    finally:
        graph.close()
        for node in graph.nodes:
            node.destroy_node()


def test_mistake_in_a_policy_ends_the_start(ros):
    with pytest.raises(ConfigError, match='no class Nobody'):
        Graph({**SETTINGS, 'agent_node': {'policy': 'affect_perception.core.agent:Nobody'}}, camera=False)
