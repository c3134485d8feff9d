"""dashboard_node: the web page of what the graph sees (docs/dashboard.md). Listens to nothing while no page is open.

Subscribes `face_affect` (FaceAffectArray), `agent_behaviour` (AgentBehaviour), `/diagnostics` of the graph's nodes
           one `face_tracks`, for the size of the images
           `overlay/compressed` (JPEG, of marker_node), only while a page shows the camera
Serves     http://localhost:8080
"""

from __future__ import annotations

import os
import threading
import time

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage

from affect_perception.dashboard.view_model import Board, NodeState
from affect_perception.errors import ConfigError
from affect_perception.msg import AgentBehaviour, FaceAffectArray, FaceTrackArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, behaviour_from_msg, stamp_from_msg
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.on_demand import OnDemand, RateLimit, WhileWanted
from affect_perception.ros.parameters import declare_settings
from affect_perception.settings import DashboardSettings

TOKEN_VARIABLE = 'AFFECT_PERCEPTION_DASHBOARD_TOKEN'  # other than a parameter, it cannot be read over ROS
_BEHAVIOUR_RATE = 5.0  # 1/s; what an agent does lasts longer than that, and it says so with every image
_LEVELS = {
    DiagnosticStatus.OK: 'OK',
    DiagnosticStatus.WARN: 'WARN',
    DiagnosticStatus.ERROR: 'ERROR',
    DiagnosticStatus.STALE: 'STALE',
}


class DashboardNode(Node):
    """`overrides` are settings from a program; they weigh more than YAML and command line. `address` is the page's."""

    def __init__(self, overrides: dict | None = None, **node_options):
        super().__init__('dashboard_node', **node_options)
        self.settings = declare_settings(self, DashboardSettings, overrides, on_change=self._change)
        self._board = Board(self.settings.stage_view_deg)
        self._lock = threading.Lock()  # the board is filled here and read in the server's thread
        self._pace, self._behaviour_pace = RateLimit(), RateLimit()
        self._behaviour_due = WhileWanted(lambda: self._behaviour_pace.due(time.monotonic(), _BEHAVIOUR_RATE))
        try:
            from affect_perception.dashboard.server import Server
        except ImportError as error:
            raise ConfigError(
                f'the dashboard needs aiohttp ({error}): pip install aiohttp, or sudo apt install python3-aiohttp; or '
                'leave the dashboard out (--no-dashboard, dashboard:=false)'
            ) from error
        self.diagnostics = NodeDiagnostics(  # before the server, which may have something to count at once
            self,
            lambda: self._server.dropped,
            lambda: {'address': self.address, 'pages': self._server.clients},
            idle_reason=lambda: self._demand.idle_reason(),
        )
        token = self.settings.dashboard_token or os.environ.get(TOKEN_VARIABLE, '')
        self._server = Server(self.settings, self._compose, self._on_bad, token)
        self.address, self.port = self._server.address, self._server.port
        self._demand = OnDemand(
            self,
            {
                'face_affect': (self._watched, self._subscribe_affect),
                'agent_behaviour': (self._watched, self._subscribe_agent),
                'diagnostics': (self._watched, self._subscribe_diagnostics),
                'face_tracks': (lambda: self._watched() and not self._board.size_known, self._subscribe_tracks),
                'overlay': (self._pictures_wanted, self._subscribe_overlay),
            },
        )
        self.get_logger().info(f'dashboard at {self.address}')

    def _watched(self) -> bool:
        return self._server.clients > 0

    def _pictures_wanted(self) -> bool:
        return self.settings.dashboard_pictures and self._server.viewers > 0

    def _subscribe(self, kind: type, topic: str, take, policy, group=None):
        return self.create_subscription(
            kind, topic, take, policy, callback_group=group, qos_overriding_options=qos.overridable()
        )

    def _subscribe_affect(self):
        with self._lock:
            self._board.forget()
        return self._subscribe(FaceAffectArray, 'face_affect', self._on_affect, qos.RESULTS)

    def _subscribe_agent(self):
        return self._subscribe(
            AgentBehaviour, 'agent_behaviour', self._on_behaviour, qos.NEWEST_RESULT, self._behaviour_due
        )

    def _subscribe_diagnostics(self):
        return self._subscribe(DiagnosticArray, '/diagnostics', self._on_diagnostics, qos.RESULTS)

    def _subscribe_tracks(self):
        return self._subscribe(FaceTrackArray, 'face_tracks', self._on_tracks, qos.IMAGES)

    def _subscribe_overlay(self):
        return self._subscribe(CompressedImage, 'overlay/compressed', self._on_overlay, qos.IMAGES)

    def _on_affect(self, msg: FaceAffectArray) -> None:
        try:
            affect = affect_from_msg(msg)
        except Exception as error:
            self.diagnostics.bad_input(error)
            return
        latency_s = (self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-9
        with self._lock:
            self._board.take_affect(affect, time.monotonic(), latency_s)
        self._server.changed()
        self.diagnostics.done(latency_s * 1e3)

    def _on_behaviour(self, msg: AgentBehaviour) -> None:
        self._behaviour_pace.passed(time.monotonic(), _BEHAVIOUR_RATE)
        try:
            behaviour, group = behaviour_from_msg(msg)
        except Exception as error:
            self.diagnostics.bad_input(error)
            return
        with self._lock:
            self._board.take_behaviour(stamp_from_msg(msg.header.stamp), behaviour, group)

    def _on_diagnostics(self, msg: DiagnosticArray) -> None:
        start = f'affect_perception: {self.get_namespace().strip("/")}/'.replace(': /', ': ')
        for status in msg.status:
            name = status.name.removeprefix(start).partition(':')[0]
            if not status.name.startswith(start) or '/' in name:  # of somebody else
                continue
            values = {pair.key: pair.value for pair in status.values}
            state = NodeState(name, _LEVELS.get(status.level, 'STALE'), status.message, values)
            with self._lock:
                self._board.take_state(state, time.monotonic())

    def _on_tracks(self, msg: FaceTrackArray) -> None:
        with self._lock:
            self._board.set_size((msg.image_width, msg.image_height))

    def _on_overlay(self, msg: CompressedImage) -> None:
        now_s, rate = time.monotonic(), self.settings.dashboard_picture_rate
        if self._pace.due(now_s, rate) and self._pictures_wanted():
            self._pace.passed(now_s, rate)
            self._server.show(bytes(msg.data))

    def _compose(self) -> dict:
        with self._lock:
            return self._board.message(time.monotonic(), self.settings.dashboard_pictures)

    def _on_bad(self, error: Exception) -> None:
        self.diagnostics.bad_input(error, 'refused')

    def _change(self, settings: DashboardSettings) -> None:
        self.settings = settings
        self._server.changed()

    def close(self) -> None:
        self._server.close()


def main(args=None) -> None:
    run_nodes(lambda: [DashboardNode()], args)


if __name__ == '__main__':
    main()
