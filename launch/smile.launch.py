"""Launch file of the graph on a ROS 2 installation: images to /face_affect.

ros2 launch affect_perception smile.launch.py source:=topic:/camera/camera/color/image_raw

`source:=realsense` (or `realsense:SERIAL`) includes the launch file of realsense2_camera; `topic:NAME` subscribes to
images of another publisher; every other source is opened by camera_node. Images stay in one process by default: between
processes large images get lost with the default transport, so `composed:=false` sets Fast DDS to LARGE_DATA.
"""

import tempfile
from pathlib import Path

import yaml
from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, OpaqueFunction, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

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
ARGUMENTS = {
    'source': (
        'auto',
        'scene, camera:N, realsense[:SERIAL], topic:NAME, a video file, a folder of images, a URL, or auto',
    ),
    'image_topic': ('', 'subscribe to this topic instead of opening a source (the same as source:=topic:NAME)'),
    'model': ('', 'name of an installed checkpoint, or a .safetensors file; empty: as in the parameter file'),
    'device': ('', 'auto, cpu, cuda or cuda:N; empty: as in the parameter file'),
    'detector': ('', 'face detector; empty: as in the parameter file'),
    'audio': (
        'off',
        'off, auto, microphone[:NAME], scene, topic:NAME, a media file or a stream URL: sound, and who speaks',
    ),
    'composed': ('true', 'camera, tracker and network in one process, or one process per node'),
    'agent': ('true', 'with agent_node: behaviour'),
    'markers': ('true', 'with marker_node: markers and overlay for RViz'),
    'hri': ('false', 'with hri_node: the ROS4HRI mirror under /humans/faces; needs hri_msgs'),
    'rviz': ('false', 'also start RViz, with markers and overlay'),
    'rviz_frame': ('camera_link', 'fixed frame of RViz, one that the camera is known in'),
    'dashboard': ('false', 'with dashboard_node: the web page on http://localhost:8080'),
    'viewer_process': ('', 'where these nodes run when composed: auto, process (a process of their own) or thread'),
    'watch_beside': ('auto', 'earlier name of viewer_process'),
    'namespace': ('', 'namespace of all nodes'),
    'params_file': (
        str(Path(get_package_share_directory(PACKAGE)) / 'config' / 'smile.yaml'),
        'parameters of the nodes',
    ),
}


def parameters(values: dict) -> dict[str, dict]:
    """Parameters per node that the arguments change."""
    given = {
        'face_tracker_node': {'detector': values['detector']},
        'affect_node': {'model': values['model'], 'device': values['device']},
    }
    return {node: {name: value for name, value in some.items() if value} for node, some in given.items()}


def file_of(changed: dict[str, dict]) -> str:
    """Write parameters per node to a file, which reaches nodes in any namespace (`-p NODE:NAME:=VALUE` does not)."""
    content = {
        f'/**/{node}': {'ros__parameters': {name: typed(value) for name, value in some.items()}}
        for node, some in changed.items()
        if some
    }
    with tempfile.NamedTemporaryFile('w', prefix='smile_launch_', suffix='.yaml', delete=False) as file:
        yaml.safe_dump(content or {'/**': {'ros__parameters': {}}}, file)
    return file.name


def typed(value: str) -> bool | int | float | str:
    """Value of an argument as ROS reads it on the command line: `8080` is a number."""
    read = yaml.safe_load(value)
    return read if isinstance(read, bool | int | float) else value


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


def rviz(values: dict, own_camera: bool) -> list:
    """Start RViz with `config/smile.rviz`; for a camera of ours, which has no driver, also its transform."""
    config = Path(get_package_share_directory(PACKAGE)) / 'config' / 'smile.rviz'
    topics = ['face_markers', 'overlay'] if values['namespace'] else []
    actions = [
        Node(
            package='rviz2',
            executable='rviz2',
            arguments=['-d', str(config), '-f', values['rviz_frame']],
            remappings=[(f'/{topic}', f'/{values["namespace"].strip("/")}/{topic}') for topic in topics],
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
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    source, topic = values['source'], values['image_topic']
    if source.startswith('topic:'):
        topic = source.removeprefix('topic:')
    is_realsense = source.partition(':')[0] == 'realsense'
    actions = rviz(values, not topic and not is_realsense) if values['rviz'] == 'true' else []
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
    if values['composed'] == 'true':
        # Parameters go to nodes by name: a `name=` here would rename all nodes of the process.
        arguments = ['--no-camera'] if topic else []
        arguments += [f'--{"no-" * (values[part] != "true")}{part}' for part in PARTS]
        arguments += ['--sound'] if values['audio'] != 'off' else []
        arguments += ['--viewer-process', values['viewer_process'] or values['watch_beside']]
        arguments += ['--ros-args', '--params-file', values['params_file'], '--params-file', file_of(changed)]
        graph = Node(
            package=PACKAGE,
            executable='graph',
            namespace=values['namespace'],
            arguments=arguments,
            output='screen',
            emulate_tty=True,
        )
        return [*actions, graph]
    actions.append(SetEnvironmentVariable('FASTDDS_BUILTIN_TRANSPORTS', 'LARGE_DATA'))
    changed.update({node: {} for part, node in PARTS.items() if values[part] == 'true'})
    if topic and 'marker_node' in changed:
        changed['marker_node'] = {'overlay_image_topic': topic}
    for node, settings in changed.items():
        actions.append(
            Node(
                package=PACKAGE,
                executable=node,
                name=node,
                namespace=values['namespace'],
                parameters=[values['params_file'], settings],
                output='screen',
                emulate_tty=True,
            )
        )
    return actions


def generate_launch_description() -> LaunchDescription:
    """Description for `ros2 launch`."""
    declared = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
