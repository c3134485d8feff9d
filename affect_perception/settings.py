"""Every setting, declared once: default, meaning, unit and allowed range.

ROS parameters (with descriptors), command line flags, the training files and `docs/settings.md` are derived from these
classes; YAML files hold only what differs from the defaults. To add a setting, add a field here and use it: nothing
else is to be kept in step. Values are checked when an instance is made, and `ConfigError` names the setting, the value
and what is allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from affect_perception.errors import ConfigError


def setting(default, meaning: str, *, unit: str = '', low=None, high=None, choices=(), live: bool = False):
    """One setting of a `Settings` class. Its type is the type of `default`; bounds are inclusive.

    `live` settings may be changed while a node runs (`ros2 param set`), the others are fixed at its start.
    """
    metadata = {'meaning': meaning, 'unit': unit, 'low': low, 'high': high, 'choices': choices, 'live': live}
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Setting:
    """The declaration of one setting, for those who derive parameters, flags or documentation from it."""

    name: str
    default: Any
    meaning: str
    unit: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    live: bool

    @property
    def type(self) -> type:
        return type(self.default)

    @property
    def allowed(self) -> str:
        """What may be given, in words: `1 to 300`, `cpu, cuda` or `any text`."""
        if self.choices:
            return ', '.join(self.choices)
        if self.low is not None and self.high is not None:
            return f'{self.low} to {self.high}'
        if self.low is not None:
            return f'{self.low} or more'
        return {bool: 'true or false', str: 'any text', int: 'a whole number', float: 'a number'}[self.type]

    def checked(self, value):
        """`value` in the setting's type, or ConfigError. An int does where a float is wanted; nothing else is bent."""
        if self.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not self.type:
            raise ConfigError(
                f'{self.name} = {value!r} is {type(value).__name__}; wanted {self.type.__name__} ({self.allowed})'
            )
        below = self.low is not None and not value >= self.low  # written so that NaN is out of range
        above = self.high is not None and not value <= self.high
        if below or above or (self.choices and value not in self.choices):
            raise ConfigError(f'{self.name} = {value!r} is out of range; allowed: {self.allowed}')
        return value


@dataclass(frozen=True)
class Settings:
    """Base of all groups of settings: checked at construction, made from mappings, described for others."""

    def __post_init__(self):
        for declared in self.declared():
            object.__setattr__(self, declared.name, declared.checked(getattr(self, declared.name)))

    @classmethod
    def declared(cls) -> tuple[Setting, ...]:
        return tuple(Setting(name=f.name, default=f.default, **f.metadata) for f in dataclasses.fields(cls))

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]):
        """An instance with `values` over the defaults; ConfigError names what is unknown."""
        known = {d.name for d in cls.declared()}
        for name in values:
            if name not in known:
                raise ConfigError(f'no setting {name!r} in {cls.__name__}; known: {", ".join(sorted(known))}')
        return cls(**values)

    def changed(self, **values):
        return dataclasses.replace(self, **values)


@dataclass(frozen=True)
class SourceSettings(Settings):
    """Where pictures come from (`camera_node`)."""

    source: str = setting(
        'auto',
        'scene, camera:N, realsense, realsense:SERIAL, a video file, a bag, a stream URL, a folder of images, '
        'or auto (a camera if present, else scene)',
    )
    rate: float = setting(
        1.0,
        'speed of a file or of the scene relative to real time; 0 plays as fast as results come, losing no frame',
        low=0.0,
        high=100.0,
    )
    loop: bool = setting(False, 'start a file again when it ends')
    width: int = setting(1280, 'width asked of a camera, width of the scene', unit='px', low=64, high=7680)
    height: int = setting(720, 'height asked of a camera, height of the scene', unit='px', low=64, high=4320)
    fps: float = setting(
        30.0,
        'frame rate asked of a camera, frame rate of the scene and of image folders',
        unit='1/s',
        low=1.0,
        high=240.0,
    )
    frame_id: str = setting('camera_color_optical_frame', 'frame_id of the images, the optical frame of the camera')
    bag_topic: str = setting('', 'topic of a bag that holds the images; empty: the only one')
    scene_people: int = setting(4, 'people in the scene', unit='people', low=0, high=50)
    scene_seed: int = setting(0, 'seed of the scene; same seed, same pixels', low=0, high=2**31 - 1)
    scene_portraits: str = setting(
        '', 'folder with index.csv and a neutral and a smiling portrait of each person; empty: the built-in portrait'
    )


@dataclass(frozen=True)
class TrackerSettings(Settings):
    """How faces are found and followed (`face_tracker_node`)."""

    image_topic: str = setting(
        'image', 'topic of sensor_msgs/Image, or of sensor_msgs/CompressedImage when it ends in /compressed'
    )
    image_transport: str = setting(
        'auto', 'kind of image message; auto: compressed if the topic ends so', choices=('auto', 'raw', 'compressed')
    )
    reliable_images: bool = setting(
        False, 'ask for reliable delivery of images; only for replays that must not lose a frame'
    )
    depth_topic: str = setting(
        'auto',
        'topic of depth aligned to the images (sensor_msgs/Image, 16UC1 in mm or 32FC1 in m), which gives faces their '
        'position; auto: `depth` beside an image topic named `image`, none beside others; empty: none',
    )
    camera_info_topic: str = setting(
        '', 'topic of the camera_info of the images, used with depth; empty: `camera_info` beside the image topic'
    )
    depth_slop_s: float = setting(
        0.05,
        'largest difference of the stamps of an image and its depth; more than one frame, as aligned depth may come '
        'after its image, and then the last one serves',
        unit='s',
        low=0.0,
        high=1.0,
    )
    detector: str = setting(
        'auto',
        'detector of faces; auto takes dlib_cnn when its weights are installed, else dlib_hog',
        choices=('auto', 'dlib_cnn', 'dlib_hog', 'dlib_cnn_native'),
    )
    detector_weights: str = setting('', 'mmod_human_face_detector.dat for dlib_cnn; empty: the installed one')
    detect_device: str = setting('auto', 'where dlib_cnn runs: auto, cpu, cuda or cuda:N')
    detect_precision: str = setting(
        'auto',
        'arithmetic of dlib_cnn; auto takes the fastest of the device, the answers are the same',
        choices=('auto', 'fp32', 'bf16', 'fp16'),
    )
    detect_upsample: int = setting(
        0,
        'how often dlib_cnn doubles the image first: each halves the smallest face, at four times the cost',
        unit='times',
        low=0,
        high=2,
    )
    detect_every: int = setting(
        10, 'frames from one run of the detector to the next', unit='frames', low=1, high=300, live=True
    )
    detect_inline: bool = setting(
        False, 'wait for the detector instead of running it beside the tracker: slower, and the same on every run'
    )
    detect_beside: str = setting(
        'auto',
        'what the detector runs in beside the tracker; auto: on a CPU in a process, on a GPU in a thread',
        choices=('auto', 'thread', 'process'),
    )
    detect_width: int = setting(
        1280, 'wider images are scaled down to this width for the detector', unit='px', low=160, high=7680
    )
    min_confidence: float = setting(0.0, 'detections below this are ignored', low=0.0, high=1.0, live=True)
    new_confidence: float = setting(
        0.5,
        'a track begins with a detection of at least this; weaker ones only confirm known faces',
        low=0.0,
        high=1.0,
        live=True,
    )
    max_unseen_s: float = setting(
        1.5, 'a track that no detection confirms for this long ends', unit='s', low=0.1, high=60.0, live=True
    )
    max_hidden_s: float = setting(
        0.4,
        'a face that cannot be followed (hidden, blurred) is still reported for this long',
        unit='s',
        low=0.0,
        high=5.0,
        live=True,
    )
    keep_lost_s: float = setting(
        3.0,
        'a track that ended keeps its id for a face that appears there within this time',
        unit='s',
        low=0.0,
        high=60.0,
        live=True,
    )
    reid: str = setting(
        'auto',
        'give people who return their old id, by face descriptors; auto: if the weights are installed; descriptors '
        'stay in memory and are never published or written',
        choices=('auto', 'on', 'off'),
    )
    reid_memory_s: float = setting(
        60.0,
        'descriptors of a person who left are forgotten after this time; 0: at once',
        unit='s',
        low=0.0,
        high=3600.0,
        live=True,
    )
    reid_distance: float = setting(
        0.45,
        "face descriptors nearer than this are one person's; higher: more people are known again, and more strangers "
        'taken for them',
        low=0.1,
        high=0.6,
        live=True,
    )
    flow_width: int = setting(
        640, 'pictures are shrunk to about this width to follow faces between detections', unit='px', low=80, high=7680
    )
    crop_size: int = setting(96, 'side of the crop that the network gets', unit='px', low=32, high=512)
    align: bool = setting(True, 'level the eyes in the crops, by landmarks, where their weights are installed')
    crop_margin: float = setting(
        0.15,
        'margin around the face box on each side, as a share of its size; the shipped weights expect the default',
        low=0.0,
        high=1.0,
    )


@dataclass(frozen=True)
class AffectSettings(Settings):
    """Which network reads the faces, and where it runs (`affect_node`)."""

    model: str = setting(
        'smile_va', 'name of an installed checkpoint (see `affect-perception models`), or a path to a .safetensors file'
    )
    tracks_topics: str = setting(
        'face_tracks',
        'face tracks to read, several cameras separated by commas: all faces in one batch; the results of '
        'left/face_tracks are published on left/face_affect',
    )
    device: str = setting('auto', 'auto, cpu, cuda or cuda:N; a device that is absent is an error')
    backend: str = setting(
        'auto',
        'what runs the CNN: torch, torch_bf16, mnn, openvino, openvino_bf16, onnxruntime; auto measures those that '
        'are installed for a moment at start and takes the fastest whose answers agree; fixed takes the first of mnn, '
        'openvino, torch that is installed and agrees, for the same bytes on every run, as offline work does',
    )
    threads: int = setting(0, 'CPU threads of the network; 0 takes half of the cores, 1 to 4', low=0, high=256)
    neutral_baseline: bool = setting(
        False, "learn each new person's neutral face in the first seconds and subtract it from the smile", live=True
    )
    neutral_seconds: float = setting(
        2.0,
        'how long a neutral face is watched, also after the service `~/calibrate_neutral`',
        unit='s',
        low=0.1,
        high=60.0,
        live=True,
    )


@dataclass(frozen=True)
class AgentSettings(Settings):
    """When the agent does what (`agent_node`); docs/agent.md tells how they work together."""

    policy: str = setting(
        'affect_perception.core.agent:SocialPolicy',
        'class that decides, as module:Class or file.py:Class; docs/agent.md tells what it must have',
    )
    smile_on: float = setting(0.45, 'somebody smiles from this intensity', low=0.0, high=1.0, live=True)
    smile_off: float = setting(0.3, 'and has stopped below this; not above smile_on', low=0.0, high=1.0, live=True)
    laugh_on: float = setting(
        0.75,
        'a smile that looks like a laugh, from this intensity; the level "high" begins here',
        low=0.0,
        high=1.0,
        live=True,
    )
    laugh_off: float = setting(0.6, 'and below this it no longer does', low=0.0, high=1.0, live=True)
    smile_confirm_s: float = setting(
        0.15, 'a smile must last this long, and for two images, to be believed', unit='s', low=0.0, high=2.0, live=True
    )
    smile_release_s: float = setting(
        0.3, 'a smile that is missing for less than this goes on', unit='s', low=0.0, high=5.0, live=True
    )
    mirror_s: float = setting(
        4.0,
        'a smile goes before everything else for this long, then it waits its turn',
        unit='s',
        low=0.1,
        high=60.0,
        live=True,
    )
    newcomer_s: float = setting(
        0.5, 'a person is greeted after being in view for this long', unit='s', low=0.0, high=10.0, live=True
    )
    greet_s: float = setting(1.5, 'a greeting lasts this long', unit='s', low=0.1, high=30.0, live=True)
    greet_again_s: float = setting(
        30.0, 'whoever returns after less than this is not greeted again', unit='s', low=0.0, high=3600.0, live=True
    )
    handover_s: float = setting(
        3.0,
        'a new id where a person vanished less than this ago is that person; 0: never',
        unit='s',
        low=0.0,
        high=30.0,
        live=True,
    )
    farewell_after_s: float = setting(
        2.0, 'a person out of view for this long has left', unit='s', low=0.1, high=60.0, live=True
    )
    farewell_s: float = setting(1.0, 'a farewell lasts this long', unit='s', low=0.1, high=30.0, live=True)
    idle_after_s: float = setting(
        3.0, 'idle when nobody is in view for this long', unit='s', low=0.0, high=60.0, live=True
    )
    soothe_on: float = setting(
        -0.15,
        'soothe when the valence of the group is below this; networks trained on posed labels span about -0.5 to 0.5',
        low=-1.0,
        high=1.0,
        live=True,
    )
    soothe_off: float = setting(-0.05, 'stop soothing above this', low=-1.0, high=1.0, live=True)
    soothe_drop: float = setting(
        0.25, 'soothe also when it is this much lower than over the last 20 s', low=0.0, high=2.0, live=True
    )
    soothe_confirm_s: float = setting(1.0, 'the low must last this long', unit='s', low=0.0, high=30.0, live=True)
    min_dwell_s: float = setting(
        1.0,
        'a behaviour is shown for at least this long, unless a more urgent one comes up',
        unit='s',
        low=0.0,
        high=30.0,
        live=True,
    )
    interrupt_s: float = setting(0.3, 'even a more urgent one waits this long', unit='s', low=0.0, high=5.0, live=True)
    turn_s: float = setting(
        3.0,
        'attention goes to the next person with the same claim to it after this time',
        unit='s',
        low=0.1,
        high=60.0,
        live=True,
    )
    group_position: float = setting(
        0.5,
        'how much less the person farthest from the middle of the group counts in its mood; 0: no less',
        low=0.0,
        high=1.0,
        live=True,
    )


@dataclass(frozen=True)
class MarkerSettings(Settings):
    """What RViz shows (`marker_node`)."""

    overlay_image_topic: str = setting('image', 'images that the overlay is drawn into; the ones the tracker gets')
    overlay_transport: str = setting(
        'auto', 'kind of image message; auto: compressed if the topic ends so', choices=('auto', 'raw', 'compressed')
    )
    overlay_camera_info_topic: str = setting(
        '', 'camera_info of those images, for the place of markers; empty: `camera_info` beside the image topic'
    )
    overlay_rate: float = setting(10.0, 'overlays, at most', unit='1/s', low=0.1, high=60.0, live=True)
    overlay_width: int = setting(
        640, 'wider images are scaled down to this width for the overlay; 0: as they are', unit='px', low=0, live=True
    )
    overlay_quality: int = setting(80, 'JPEG quality of overlay/compressed', low=1, high=100, live=True)
    marker_rate: float = setting(15.0, 'updates of the markers, at most', unit='1/s', low=0.1, high=60.0, live=True)
    marker_shape: str = setting(
        'sphere',
        'what stands for a face; a billboard always faces the viewer',
        choices=('sphere', 'billboard'),
        live=True,
    )
    marker_lifetime_s: float = setting(
        0.5, 'markers that are not renewed for this long vanish', unit='s', low=0.05, high=10.0, live=True
    )
    trail_s: float = setting(0.0, 'length of the trail behind a face; 0: none', unit='s', low=0.0, high=60.0, live=True)
    plane_m: float = setting(
        1.0, 'without depth, markers stand on the image plane at this distance', unit='m', low=0.1, high=20.0, live=True
    )
    field_of_view_deg: float = setting(
        60.0,
        'horizontal field of view taken for a camera without camera_info',
        unit='deg',
        low=10.0,
        high=170.0,
        live=True,
    )
    full_valence: float = setting(
        0.5, 'valence (of either sign) at which the colour of a marker is full', low=0.05, high=1.0, live=True
    )


@dataclass(frozen=True)
class HriSettings(Settings):
    """The mirror under /humans/faces (`hri_node`, off unless asked for); docs/ros4hri.md."""

    hri_crop_size: int = setting(128, 'side of the cropped faces; REP 155 wants 128', unit='px', low=16, high=512)


@dataclass(frozen=True)
class DashboardSettings(Settings):
    """The web page (`dashboard_node`); docs/dashboard.md tells what is safe."""

    dashboard_address: str = setting(
        '127.0.0.1',
        'address to listen on: this machine only; another one, or 0.0.0.0 for all networks, needs dashboard_token',
    )
    dashboard_port: int = setting(8080, 'port of the page; 0: any free one', low=0, high=65535)
    dashboard_port_tries: int = setting(
        1,
        'how many ports are tried, from dashboard_port on, when it is taken (`run`: 10)',
        unit='ports',
        low=1,
        high=100,
    )
    dashboard_token: str = setting(
        '',
        'what a browser must know, 12 characters or more; empty: AFFECT_PERCEPTION_DASHBOARD_TOKEN of the environment, '
        'which others cannot read over ROS or in the list of processes',
    )
    dashboard_hosts: str = setting(
        '', 'further names of this machine that browsers use for it, separated by commas (a reverse proxy, a DNS name)'
    )
    dashboard_rate: float = setting(20.0, 'updates of a page, at most', unit='1/s', low=1.0, high=60.0)
    dashboard_pictures: bool = setting(
        True, 'pages may show the camera picture; false: privacy mode for all of them', live=True
    )
    dashboard_picture_rate: float = setting(10.0, 'pictures, at most', unit='1/s', low=0.1, high=60.0, live=True)
    dashboard_clients: int = setting(100, 'pages that may be open at once', unit='pages', low=1, high=1000)
    stage_view_deg: float = setting(
        60.0, 'horizontal field of view taken for the camera, for places on the stage', unit='deg', low=10.0, high=170.0
    )


@dataclass(frozen=True)
class GraphSettings(Settings):
    """Which parts run (`affect-perception run`, `graph`, and arguments of smile.launch.py; no ROS parameters)."""

    agent: bool = setting(True, 'with agent_node: behaviour')
    markers: bool = setting(True, 'with marker_node: markers and overlay for RViz')
    hri: bool = setting(False, 'with hri_node: the ROS4HRI mirror; needs hri_msgs')
    dashboard: bool = setting(False, 'with dashboard_node: the web page; `run` has it unless --no-dashboard')
    watch_beside: str = setting(
        'auto',
        'what these parts run in: a process of their own, or threads beside tracker and network, which they slow down; '
        'auto: process, but thread for a replay that loses nothing (rate 0)',
        choices=('auto', 'thread', 'process'),
    )


@dataclass(frozen=True)
class HealthSettings(Settings):
    """From when diagnostics warn; parameters of every node."""

    latency_warn_ms: float = setting(
        250.0, 'WARN above this latency (p95 of the last images)', unit='ms', low=0.0, live=True
    )
    latency_error_ms: float = setting(1000.0, 'ERROR above this latency', unit='ms', low=0.0, live=True)
    drops_warn: float = setting(
        0.5,
        'WARN when more than this share of the images of the last second was dropped',
        low=0.0,
        high=1.0,
        live=True,
    )
    drops_error: float = setting(0.95, 'ERROR above this share', low=0.0, high=1.0, live=True)
    bad_error: float = setting(
        0.5,
        'ERROR when this share of the inputs of the last second was bad; WARN at the first',
        low=0.0,
        high=1.0,
        live=True,
    )
    silence_warn_s: float = setting(2.0, 'WARN when nothing came for this long', unit='s', low=0.0, live=True)
    silence_error_s: float = setting(10.0, 'ERROR when nothing came for this long', unit='s', low=0.0, live=True)


GROUPS: dict[str, type[Settings]] = {
    'camera_node': SourceSettings,
    'face_tracker_node': TrackerSettings,
    'affect_node': AffectSettings,
    'agent_node': AgentSettings,
    'marker_node': MarkerSettings,
    'hri_node': HriSettings,
    'dashboard_node': DashboardSettings,
    'graph': GraphSettings,
}
EVERY_NODE = HealthSettings  # parameters of every node, but no flags: a flag has one owner


def document() -> str:
    """`docs/settings.md`."""
    lines = [
        '# Settings',
        '',
        'Made from `affect_perception/settings.py` by `python -m affect_perception.settings > docs/settings.md`.',
        '',
        'Each is a ROS parameter of its node (`ros2 param describe /affect_node device`), a flag of',
        '`affect-perception run` (`--device cpu`), and may stand in `config/smile.yaml`. "Live" ones can be changed',
        'while the node runs. The section `graph` holds flags only, the section `every node` parameters only.',
        '',
        'The quality of service of every topic can be overridden from YAML too, as `qos_overrides.TOPIC.KIND.POLICY`:',
        'TOPIC the resolved name, KIND `publisher` or `subscription`, POLICY `history`, `depth` or `reliability`, for',
        'instance `qos_overrides./image.subscription.reliability: reliable`.',
    ]
    for node, group in (*GROUPS.items(), ('every node', EVERY_NODE)):
        lines += ['', f'## {node}', '', '| setting | default | allowed | meaning | live |', '|---|---|---|---|---|']
        for s in group.declared():
            default = str(s.default).lower() if s.type is bool else s.default
            unit = f' {s.unit}' if s.unit else ''
            default = f'`{default}`{unit}' if default != '' else 'empty'
            lines.append(f'| `{s.name}` | {default} | {s.allowed} | {s.meaning} | {"yes" if s.live else ""} |')
    return '\n'.join(lines) + '\n'


if __name__ == '__main__':
    print(document(), end='')
