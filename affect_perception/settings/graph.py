"""Settings of the graph in one process: which nodes run, and in which process the viewers run."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class GraphSettings(Settings):
    """Nodes that run (`affect-perception run`, `graph`, arguments of smile.launch.py; no ROS parameters)."""

    agent: bool = setting(True, 'run agent_node: behaviour', common=True)
    markers: bool = setting(True, 'run marker_node: markers and overlay for RViz', common=True)
    sound: bool = setting(
        False,
        'run audio_node: acoustic features and who speaks; `--audio` turns it on, too, unless it is off',
    )
    hri: bool = setting(False, 'run hri_node: the ROS4HRI mirror; needs hri_msgs')
    dashboard: bool = setting(
        False, 'run dashboard_node: the web page; `run` starts it unless --no-dashboard', common=True
    )
    viewer_process: str = setting(
        'auto',
        'where the viewers (agent, markers, ROS4HRI mirror, page) run: in a process of their own, or in threads beside '
        'tracker and network, which then slow down; auto: process, but thread for a lossless replay (rate 0)',
        choices=('auto', 'thread', 'process'),
        alias='watch_beside',
    )
