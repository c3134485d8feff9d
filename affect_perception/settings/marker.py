"""Settings of `marker_node`: RViz markers and the overlay image."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class MarkerSettings(Settings):
    """Settings of markers and overlay (`marker_node`)."""

    overlay_image_topic: str = setting(
        'image', 'topic of the images that the overlay is drawn into; the topic of the tracker', topic=True
    )
    overlay_transport: str = setting(
        'auto',
        'type of image message, as image_transport of face_tracker_node',
        choices=('auto', 'raw', 'compressed'),
    )
    overlay_camera_info_topic: str = setting(
        '',
        'topic of the camera_info of the images of the overlay, for the position of markers; empty: `camera_info` '
        'beside their topic',
        topic=True,
    )
    overlay_rate: float = setting(10.0, 'maximum rate of the overlay', unit='1/s', low=0.1, high=60.0, live=True)
    overlay_width: int = setting(
        640, 'wider images are scaled down to this width for the overlay; 0: full size', unit='px', low=0, live=True
    )
    overlay_quality: int = setting(80, 'JPEG quality of overlay/compressed', low=1, high=100, live=True)
    marker_rate: float = setting(15.0, 'maximum rate of the markers', unit='1/s', low=0.1, high=60.0, live=True)
    marker_shape: str = setting(
        'sphere', 'marker of a face; a billboard always faces the viewer', choices=('sphere', 'billboard'), live=True
    )
    marker_lifetime_s: float = setting(
        0.5, 'markers that are not renewed for this long disappear', unit='s', low=0.05, high=10.0, live=True
    )
    trail_s: float = setting(0.0, 'length of the trail behind a face; 0: none', unit='s', low=0.0, high=60.0, live=True)
    plane_m: float = setting(
        1.0,
        'distance of the image plane on which markers are placed without depth',
        unit='m',
        low=0.1,
        high=20.0,
        live=True,
    )
    field_of_view_deg: float = setting(
        60.0,
        'horizontal field of view assumed for a camera without camera_info',
        unit='deg',
        low=10.0,
        high=170.0,
        live=True,
    )
    full_valence: float = setting(
        0.5, 'absolute valence from which the colour of a marker is saturated', low=0.05, high=1.0, live=True
    )
