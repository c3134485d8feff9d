"""Settings of `hri_node`, the ROS4HRI mirror."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class HriSettings(Settings):
    """Settings of the mirror under /humans/faces (`hri_node`, off by default); docs/ros4hri.md."""

    hri_crop_size: int = setting(
        128, 'side of the published face crops; REP 155 wants 128', unit='px', low=16, high=512
    )
