"""Launch file of the graph on a ROS 2 installation: images to /face_affect.

ros2 launch affect_perception smile.launch.py source:=topic:/camera/camera/color/image_raw

`source:=realsense` (or `realsense:SERIAL`) includes the launch file of realsense2_camera; `topic:NAME` subscribes to
images of another publisher; every other source is opened by camera_node. Camera, tracker and network share a process by
default. With `composed:=false` each node has its own, on the default transports, so that every tool sees them;
`large_data:=true` gives these processes Fast DDS's LARGE_DATA transport, which every other process must then use, too.
"""

import sys
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, LogInfo, OpaqueFunction
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.descriptions import Parameter

from affect_perception.runtime.masking import login_as_variable
from affect_perception.settings import GraphSettings, Setting, TrackerSettings

PACKAGE = 'affect_perception'
REALSENSE = {  # realsense2_camera's topics with its default names; positions of faces come from aligned depth
    'image_topic': '/camera/camera/color/image_raw',
    'camera_info_topic': '/camera/camera/color/camera_info',
    'depth_topic': '/camera/camera/aligned_depth_to_color/image_raw',
}
PARTS = {
    'agent': 'agent_node',
    'markers': 'marker_node',
    'hri': 'hri_node',
    'dashboard': 'dashboard_node',
}  # arguments that switch nodes on and off
TRUTH = {'true': True, '1': True, 'yes': True, 'on': True, 'false': False, '0': False, 'no': False, 'off': False}
ARGUMENTS = {
    'source': (
        'auto',
        'scene, camera:N, realsense[:SERIAL], topic:NAME, a video file, a folder of images, a URL, or auto',
    ),
    'image_topic': ('', 'subscribe to this topic instead of opening a source (the same as source:=topic:NAME)'),
    'image_transport': ('', 'raw, compressed or auto: type of image messages; empty: as in the parameter file'),
    'model': ('', 'name of an installed checkpoint, or a .safetensors file; empty: as in the parameter file'),
    'device': ('', 'auto, cpu, cuda or cuda:N; empty: as in the parameter file'),
    'detector': ('', 'face detector; empty: as in the parameter file'),
    'audio': (
        'off',
        'sound, and who speaks: off (no audio_node), auto, microphone[:NAME], scene, topic:NAME, a media file or a '
        'stream URL',
    ),
    'composed': ('true', 'camera, tracker and network in one process, or one process per node'),
    'agent': ('true', 'with agent_node: behaviour'),
    'markers': ('true', 'with marker_node: markers and overlay for RViz'),
    'hri': ('false', 'with hri_node: the ROS4HRI mirror under /humans/faces; needs hri_msgs'),
    'rviz': ('false', 'also start RViz, with markers and overlay'),
    'rviz_frame': ('camera_link', 'fixed frame of RViz, one that the camera is known in'),
    'dashboard': ('false', 'with dashboard_node: the web page on http://localhost:8080'),
    'viewer_process': ('', 'where agent, markers and page run when composed: auto, process (one of their own), thread'),
    'watch_beside': ('auto', 'earlier name of viewer_process'),
    'namespace': ('', 'namespace of all nodes'),
    'params_file': (
        str(Path(get_package_share_directory(PACKAGE)) / 'config' / 'smile.yaml'),
        'parameters of the nodes',
    ),
    'use_sim_time': ('', 'true: take the time from /clock; empty: as in the parameter file or a parent launch file'),
    'log_level': ('', 'debug, info, warn, error or fatal, or NODE:=LEVEL; empty: info'),
    'use_respawn': ('false', 'start a process again 2 s after it ended by itself'),
    'large_data': ('false', "Fast DDS's LARGE_DATA transport for the nodes; other processes must use it, too"),
}
SWITCHES = ('composed', *PARTS, 'rviz', 'use_respawn', 'large_data')  # arguments that are true or false


def choices(name: str) -> list[str] | None:
    """Allowed values of an argument, where there are some; the settings of the same name know them."""
    groups = {declared.name: declared for group in (TrackerSettings, GraphSettings) for declared in group.declared()}
    declared: Setting | None = groups.get({'watch_beside': 'viewer_process'}.get(name, name))
    return ['', *declared.choices] if declared is not None and declared.choices else None


def truth(name: str, value: str) -> bool:
    """Read a switch: true, 1, yes or on, and their opposites, in any case."""
    if value.strip().lower() not in TRUTH:
        raise RuntimeError(f'{name}:={value} is neither true nor false; give one of {", ".join(TRUTH)}')
    return TRUTH[value.strip().lower()]


def warnings(typed: Iterable[str], is_root: bool) -> list[LogInfo]:
    """Say what was typed as an argument that does not exist. `is_root`: no other launch file may have declared it."""
    found = []
    for name in (text.partition(':=')[0] for text in typed if ':=' in text):
        nearest = get_close_matches(name, ARGUMENTS, 1, 0.6 if is_root else 0.8)
        if name not in ARGUMENTS and (is_root or nearest):
            hint = f'; did you mean {nearest[0]}:=?' if nearest else ''
            found.append(f'smile.launch.py has no argument {name}:={hint} (ros2 launch -s lists them all)')
    if found and is_root:
        raise RuntimeError('; '.join(found))
    return [LogInfo(msg=f'[WARN] {text}') for text in found]


def parameters(values: dict) -> dict[str, dict]:
    """Parameters per node that the arguments change."""
    given = {
        'face_tracker_node': {'detector': values['detector'], 'image_transport': values['image_transport']},
        'affect_node': {'model': values['model'], 'device': values['device']},
    }
    return {node: {name: value for name, value in some.items() if value} for node, some in given.items()}


def realsense(serial: str) -> IncludeLaunchDescription:
    """Include the camera's launch file, with a profile whose colour stream keeps its rate in a living room."""
    try:
        folder = Path(get_package_share_directory('realsense2_camera'))
    except PackageNotFoundError as error:
        raise RuntimeError(
            'source:=realsense needs the package realsense2_camera: '
            'sudo apt install ros-$ROS_DISTRO-realsense2-camera, or start your own driver and use source:=topic:NAME'
        ) from error
    arguments = {'rgb_camera.color_profile': '1280x720x30', 'align_depth.enable': 'true'}
    if serial:
        arguments['serial_no'] = f'_{serial}'  # the underscore keeps launch from reading a number
    return IncludeLaunchDescription(
        PythonLaunchDescriptionSource(str(folder / 'launch' / 'rs_launch.py')), launch_arguments=arguments.items()
    )


def rviz(values: dict, namespace: str, own_camera: bool) -> list:
    """Start RViz with `config/smile.rviz`; for a camera of ours, which has no driver, also its transform."""
    config = Path(get_package_share_directory(PACKAGE)) / 'config' / 'smile.rviz'
    topics = ['face_markers', 'overlay'] if namespace else []
    actions = [
        Node(
            package='rviz2',
            executable='rviz2',
            arguments=['-d', str(config), '-f', values['rviz_frame']],
            remappings=[(f'/{topic}', f'/{namespace}/{topic}') for topic in topics],
            output='log',
        )
    ]
    if own_camera:  # REP 103: the optical frame looks along z, with x to the right
        frames = ['--frame-id', 'camera_link', '--child-frame-id', 'camera_color_optical_frame']
        turned = ['--roll', '-1.570796', '--pitch', '0', '--yaw', '-1.570796']
        actions.append(Node(package='tf2_ros', executable='static_transform_publisher', arguments=frames + turned))
    return actions


def start(context: LaunchContext) -> list:
    """Actions for the arguments in `context`."""
    values: dict = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    values.update({name: truth(name, values[name]) for name in SWITCHES})
    is_root = any(Path(argument).name == Path(__file__).name for argument in sys.argv)
    actions: list = warnings(context.argv, is_root)
    if not Path(values['params_file']).is_file():
        raise RuntimeError(f'params_file:={values["params_file"]} is no file; give the path of a YAML file')
    source, login = login_as_variable(values['source'], 'AFFECT_PERCEPTION_SOURCE_LOGIN')
    values['audio'], audio_login = login_as_variable(values['audio'], 'AFFECT_PERCEPTION_AUDIO_LOGIN')
    values['environment'] = login | audio_login  # not on the command lines of the nodes
    topic = values['image_topic']
    if source.startswith('topic:'):
        topic = source.removeprefix('topic:')
    is_realsense = source.partition(':')[0] == 'realsense'
    if values['rviz']:
        spaces = (context.launch_configurations.get('ros_namespace', ''), values['namespace'])
        if values['namespace'].startswith('/'):
            spaces = spaces[1:]
        namespace = '/'.join(space.strip('/') for space in spaces if space.strip('/'))
        actions += rviz(values, namespace, not topic and not is_realsense)
    changed = parameters(values)
    if is_realsense:
        actions.append(realsense(source.partition(':')[2]))
        changed['face_tracker_node'].update(REALSENSE)
        topic = topic or REALSENSE['image_topic']
    if topic:
        changed['face_tracker_node']['image_topic'] = topic
    else:
        changed['camera_node'] = {'source': source}
    if values['audio'] != 'off':
        changed['audio_node'] = {'audio': values['audio']}
    return [*actions, *(composed(values, changed) if values['composed'] else apart(values, changed))]


def composed(values: dict, changed: dict[str, dict]) -> list[Node]:
    """One process for all nodes. Parameters go to nodes by name: a `name=` here would rename all of them."""
    arguments = [] if 'camera_node' in changed else ['--no-camera']
    arguments += [f'--{"no-" * (not values[part])}{part}' for part in PARTS]
    arguments += ['--sound'] if 'audio_node' in changed else []
    arguments += ['--viewer-process', values['viewer_process'] or values['watch_beside'] or 'auto']
    for node, settings in changed.items():
        for name, value in settings.items():
            arguments += ['--set', f'{node}.{name}={value}']
    return [process(values, 'graph', arguments=arguments, parameters=[values['params_file']])]


def apart(values: dict, changed: dict[str, dict]) -> list[Node]:
    """A process per node."""
    changed.update({node: {} for part, node in PARTS.items() if values[part]})
    if 'camera_node' not in changed and 'marker_node' in changed:
        changed['marker_node'] = {'overlay_image_topic': changed['face_tracker_node']['image_topic']}
        if values['image_transport']:
            changed['marker_node']['overlay_transport'] = values['image_transport']
    return [
        process(
            values,
            node,
            name=node,
            parameters=[values['params_file'], *(Parameter(*setting, value_type=str) for setting in settings.items())],
        )
        for node, settings in changed.items()
    ]


def process(values: dict, executable: str, parameters: list, **options: object) -> Node:
    """Process of an executable of this package, with what all processes share."""
    environment = dict(values['environment'])
    if values['large_data']:
        environment['FASTDDS_BUILTIN_TRANSPORTS'] = 'LARGE_DATA'
    if values['use_sim_time']:
        parameters = [*parameters, Parameter('use_sim_time', truth('use_sim_time', values['use_sim_time']))]
    return Node(
        package=PACKAGE,
        executable=executable,
        namespace=values['namespace'],
        parameters=parameters,
        ros_arguments=['--log-level', values['log_level']] if values['log_level'] else [],
        additional_env=environment,
        respawn=values['use_respawn'],
        respawn_delay=2.0,
        output='screen',
        emulate_tty=True,
        **options,
    )


def generate_launch_description() -> LaunchDescription:
    """Description for `ros2 launch`."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text, choices=choices(name))
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
