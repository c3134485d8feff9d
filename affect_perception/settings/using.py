"""What can be set of those who use the results: agent, markers, ROS4HRI and the page."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declared import Settings, setting


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
