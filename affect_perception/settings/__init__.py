"""Every setting, declared once: default, meaning, unit and allowed range.

ROS parameters (with descriptors), command line flags, the training files and `docs/settings.md` are derived from these
classes; YAML files hold only what differs from the defaults. To add a setting, add a field to the class of its node (in
the files beside this one) and use it: nothing else is to be kept in step. Values are checked when an instance is made,
and `ConfigError` names the setting, the value and what is allowed.
"""

from __future__ import annotations

from affect_perception.settings.declared import Setting, Settings, setting
from affect_perception.settings.perceiving import AffectSettings, SourceSettings, TrackerSettings
from affect_perception.settings.running import GraphSettings, HealthSettings
from affect_perception.settings.using import AgentSettings, DashboardSettings, HriSettings, MarkerSettings

__all__ = [
    'EVERY_NODE',
    'GROUPS',
    'AffectSettings',
    'AgentSettings',
    'DashboardSettings',
    'GraphSettings',
    'HealthSettings',
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
    'agent_node': AgentSettings,
    'marker_node': MarkerSettings,
    'hri_node': HriSettings,
    'dashboard_node': DashboardSettings,
    'graph': GraphSettings,
}
EVERY_NODE = HealthSettings  # parameters of every node, but no flags: a flag has one owner
