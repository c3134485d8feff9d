"""What can be set of the graph as a whole: which parts run, and when diagnostics warn."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declared import Settings, setting


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
