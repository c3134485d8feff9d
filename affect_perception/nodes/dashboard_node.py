"""dashboard_node: web page of the live results (docs/dashboard.md). Subscribes to nothing while no page is open.

Subscribes `face_affect` (FaceAffectArray), `agent_behaviour` (AgentBehaviour), `/diagnostics` of the graph's nodes
           one `face_tracks`, for the size of the images
           `overlay/compressed` (JPEG, of marker_node), only while a page shows the camera
Serves     http://localhost:8080
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from affect_perception.dashboard.view_model import NodeState, ViewModel
from affect_perception.errors import ConfigError
from affect_perception.msg import AgentBehaviour, FaceAffectArray, FaceTrackArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, behaviour_from_msg, stamp_from_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.on_demand import OnDemand, RateLimit, WhileWanted
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.topics import subscribe
from affect_perception.settings import DashboardSettings

TOKEN_VARIABLE = 'AFFECT_PERCEPTION_DASHBOARD_TOKEN'  # unlike a parameter, it cannot be read over ROS
_BEHAVIOUR_RATE = 5.0  # 1/s; a behaviour lasts longer and is published with every image
_LEVELS = {
    DiagnosticStatus.OK: 'OK',
    DiagnosticStatus.WARN: 'WARN',
    DiagnosticStatus.ERROR: 'ERROR',
    DiagnosticStatus.STALE: 'STALE',
}


class DashboardNode(Node):
    """Node of the web page. `overrides` are settings given by a program. `address` and `port` are those of the page."""

    def __init__(self, overrides: Overrides | None = None, **node_options: Any) -> None:
        super().__init__('dashboard_node', **node_options)
        self.settings = declare_settings(self, DashboardSettings, overrides, on_change=self._change)
        self._view_model = ViewModel(self.settings.stage_view_deg)
        self._lock = threading.Lock()  # of the view model, which is filled here and read in the server's thread
        self._image_limit, self._behaviour_limit = RateLimit(), RateLimit()
        self.diagnostics = NodeDiagnostics(  # before the server, which may have something to count at once
            self,
            lambda: self._server.dropped,
            lambda: {'address': self.address, 'pages': self._server.clients},
            idle_reason=lambda: self.demand.idle_reason(),
        )
        token = self.settings.dashboard_token or os.environ.get(TOKEN_VARIABLE, '')
        self._server = server_class()(self.settings, self._compose, self._on_refused, token)
        self.address, self.port = self._server.address, self._server.port
        self.demand = self._subscriptions_on_demand()
        self.get_logger().info(f'dashboard at {self.address}')

    def _subscriptions_on_demand(self) -> OnDemand:
        behaviour_due = WhileWanted(lambda: self._behaviour_limit.due(time.monotonic(), _BEHAVIOUR_RATE))
        return OnDemand(
            self,
            {
                'face_affect': (self._has_pages, self._subscribe_affect),
                'agent_behaviour': (
                    self._has_pages,
                    lambda: subscribe(
                        self, AgentBehaviour, 'agent_behaviour', self._on_behaviour, qos.NEWEST_RESULT, behaviour_due
                    ),
                ),
                'diagnostics': (
                    self._has_pages,
                    lambda: subscribe(self, DiagnosticArray, '/diagnostics', self._on_diagnostics),
                ),
                'face_tracks': (
                    lambda: self._has_pages() and not self._view_model.size_known,
                    lambda: subscribe(self, FaceTrackArray, 'face_tracks', self._on_tracks, qos.NEWEST_RESULT),
                ),
                'overlay': (
                    self._shows_images,
                    lambda: subscribe(self, CompressedImage, 'overlay/compressed', self._on_overlay, qos.NEWEST_RESULT),
                ),
            },
        )

    def _has_pages(self) -> bool:
        return self._server.clients > 0

    def _shows_images(self) -> bool:
        return self.settings.dashboard_pictures and self._server.viewers > 0

    def _subscribe_affect(self) -> Any:
        with self._lock:
            self._view_model.clear()
        return subscribe(self, FaceAffectArray, 'face_affect', self._on_affect)

    def _on_affect(self, msg: FaceAffectArray) -> None:
        try:
            affect = affect_from_msg(msg)
        except Exception as error:  # noqa: BLE001 - border to other programs: counted and logged
            self.diagnostics.bad_input(error)
            return
        latency_s = (self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-9
        with self._lock:
            self._view_model.put_affect(affect, time.monotonic(), latency_s)
        self._server.changed()
        self.diagnostics.done(latency_s * 1e3)

    def _on_behaviour(self, msg: AgentBehaviour) -> None:
        self._behaviour_limit.passed(time.monotonic(), _BEHAVIOUR_RATE)
        try:
            behaviour, group = behaviour_from_msg(msg)
        except Exception as error:  # noqa: BLE001 - border to other programs: counted and logged
            self.diagnostics.bad_input(error)
            return
        with self._lock:
            self._view_model.put_behaviour(stamp_from_msg(msg.header.stamp), behaviour, group)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        prefix = f'affect_perception: {self.get_namespace().strip("/")}/'.replace(': /', ': ')
        for status in msg.status:
            name = status.name.removeprefix(prefix).partition(':')[0]
            if not status.name.startswith(prefix) or '/' in name:  # a node of another graph
                continue
            values = {pair.key: pair.value for pair in status.values}
            state = NodeState(name, _LEVELS.get(status.level, 'STALE'), status.message, values)
            with self._lock:
                self._view_model.put_node(state, time.monotonic())

    def _on_tracks(self, msg: FaceTrackArray) -> None:
        with self._lock:
            self._view_model.set_size((msg.image_width, msg.image_height))

    def _on_overlay(self, msg: CompressedImage) -> None:
        now_s, rate = time.monotonic(), self.settings.dashboard_picture_rate
        if self._image_limit.due(now_s, rate) and self._shows_images():
            self._image_limit.passed(now_s, rate)
            self._server.show(bytes(msg.data))

    def _compose(self) -> dict[str, Any]:
        """Server's thread: the message for all pages."""
        with self._lock:
            return self._view_model.message(time.monotonic(), self.settings.dashboard_pictures)

    def _on_refused(self, error: Exception) -> None:
        self.diagnostics.bad_input(error, 'refused')

    def _change(self, settings: DashboardSettings) -> None:
        self.settings = settings
        self._server.changed()

    def close(self) -> None:
        """Close all connections and end the server's thread."""
        self._server.close()


def server_class() -> Any:
    """Class of the web server; ConfigError where aiohttp cannot be imported."""
    try:
        from affect_perception.dashboard.server import Server
    except ImportError as error:
        raise ConfigError(
            f'the dashboard needs aiohttp ({error}): pip install aiohttp, or sudo apt install python3-aiohttp; or '
            'leave the dashboard out (--no-dashboard, dashboard:=false)'
        ) from error
    return Server


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception dashboard_node`."""
    run_nodes(lambda: [DashboardNode()], args, ['dashboard_node'])


if __name__ == '__main__':
    main()
