"""All settings, a file per node, each declared once with default, meaning, unit and range (`declaration.py`).

Not here: where settings are read from: ROS parameters (`ros/startup/parameters.py`), command line flags (`cli/`).

ROS parameters with descriptors, flags and `docs/settings.md` are derived from these classes; YAML files hold only what
differs from the defaults. To add a setting, add a field to the class of its node and use it; the rest follows.
"""

from __future__ import annotations

from affect_perception.settings.affect import AffectSettings
from affect_perception.settings.agent import AgentSettings
from affect_perception.settings.audio import AudioSettings
from affect_perception.settings.dashboard import DashboardSettings
from affect_perception.settings.declaration import Setting, Settings, setting
from affect_perception.settings.diagnostics import DiagnosticsSettings
from affect_perception.settings.graph import GraphSettings
from affect_perception.settings.hri import HriSettings
from affect_perception.settings.marker import MarkerSettings
from affect_perception.settings.source import SourceSettings
from affect_perception.settings.tracker import TrackerSettings

__all__ = [
    'EVERY_NODE',
    'GROUPS',
    'AffectSettings',
    'AgentSettings',
    'AudioSettings',
    'DashboardSettings',
    'DiagnosticsSettings',
    'GraphSettings',
    'HriSettings',
    'MarkerSettings',
    'Setting',
    'Settings',
    'SourceSettings',
    'TrackerSettings',
    'setting',
]

GROUPS: dict[str, type[Settings]] = {
    'camera_node': SourceSettings,
    'face_tracker_node': TrackerSettings,
    'affect_node': AffectSettings,
    'audio_node': AudioSettings,
    'agent_node': AgentSettings,
    'marker_node': MarkerSettings,
    'hri_node': HriSettings,
    'dashboard_node': DashboardSettings,
    'graph': GraphSettings,
}
EVERY_NODE = DiagnosticsSettings  # ROS parameters of every node; no flags, as a flag belongs to one node
