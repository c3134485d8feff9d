"""hri_node: mirror of the results under /humans/faces, for programs that use ROS4HRI (REP 155, libhri).

Subscribes `face_affect` (FaceAffectArray) and `face_tracks` (FaceTrackArray), only while a topic below has subscribers
Publishes  `/humans/faces/tracked` (hri_msgs/IdsList) and for each face, under `/humans/faces/<id>`, `roi`
           (NormalizedRegionOfInterest2D), `cropped` (Image), `expression` (Expression) and `facs` (FacialActionUnits)

All messages of one image carry its stamp, and `roi` comes with each of them; `cropped` needs the tracks of that image,
which are waited for, as they may arrive after the affect. Reliable, as libhri subscribes. docs/ros4hri.md describes the
fields.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from affect_perception.core.stamp_buffer import StampBuffer
from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, stamp_from_msg, tracks_from_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.hri import messages as to_msg
from affect_perception.ros.hri.ros4hri import face_id
from affect_perception.ros.inputs.on_demand import OnDemand
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.topics import subscribe
from affect_perception.settings import HriSettings
from affect_perception.types import Affect, AffectFrame, TrackedFrame

_ROOT = '/humans/faces'
_BUFFERED = 8  # messages of either topic that wait for those of the other
_WAIT_NS = 200_000_000  # of the stamps: for tracks that come after their affect; then roi is made without them
_LINGER_S = 5.0  # the topics of a lost face stay for this long, in case the face returns


class HriNode(Node):
    """Node of the ROS4HRI mirror. `overrides` are settings given by a program. ConfigError without hri_msgs."""

    def __init__(self, overrides: Overrides | None = None, **node_options: Any) -> None:
        super().__init__('hri_node', **node_options)
        self.settings = declare_settings(self, HriSettings, overrides)
        self._msgs = to_msg.hri_msgs()
        self._tracked = self.create_publisher(self._msgs.IdsList, f'{_ROOT}/tracked', qos.RESULTS)
        self._faces: dict[int, dict[str, Publisher]] = {}  # by track id
        self._last_seen_ns: dict[int, int] = {}
        self._tracks = StampBuffer[FaceTrackArray](_BUFFERED)
        self._waiting: list[FaceAffectArray] = []  # affect whose tracks have not come yet
        self._image_size: tuple[int, int] | None = None
        self._header = Header()  # of the last image
        self.demand = OnDemand(
            self,
            {
                'face_affect': (
                    self._has_subscribers,
                    lambda: subscribe(self, FaceAffectArray, 'face_affect', self._on_affect),
                ),
                'face_tracks': (self._has_subscribers, self._subscribe_tracks),
            },
        )
        self.diagnostics = NodeDiagnostics(
            self, lambda: 0, lambda: {'people': len(self._faces)}, idle_reason=self.demand.idle_reason
        )

    @property
    def faces(self) -> frozenset[int]:
        """Track ids whose topics are advertised now."""
        return frozenset(self._faces)

    def _has_subscribers(self) -> bool:
        publishers = [self._tracked, *(p for face in self._faces.values() for p in face.values())]
        wanted = any(publisher.get_subscription_count() > 0 for publisher in publishers)
        if not wanted:
            self._remove(set(self._faces))
        return wanted

    def _subscribe_tracks(self) -> Any:
        self._tracks.clear()
        self._waiting.clear()
        return subscribe(self, FaceTrackArray, 'face_tracks', self._on_tracks)

    def _on_tracks(self, msg: FaceTrackArray) -> None:
        self._tracks.put(stamp_from_msg(msg.header.stamp), msg)
        self._image_size = msg.image_width, msg.image_height
        self._publish_due()

    def _on_affect(self, msg: FaceAffectArray) -> None:
        self._waiting = [*self._waiting, msg][-_BUFFERED:]
        self._publish_due()

    def _publish_due(self) -> None:
        """Publish, in order, the affect whose tracks are there, and the affect that has waited long enough for them."""
        stamps_ns = [stamp_from_msg(msg.header.stamp) for msg in self._waiting]
        newest_ns = max([self._tracks.newest_ns or 0, *stamps_ns])
        for stamp_ns in stamps_ns:
            overdue = abs(newest_ns - stamp_ns) > _WAIT_NS or len(self._waiting) >= _BUFFERED
            if self._waiting[0].faces and self._tracks.find(stamp_ns) is None and not overdue:
                return
            self._publish(self._waiting.pop(0))

    def _publish(self, msg: FaceAffectArray) -> None:
        try:
            affect, self._header = affect_from_msg(msg), msg.header
            tracks = self._tracks.pop(affect.stamp_ns)
            tracked = None if tracks is None else tracks_from_msg(tracks, self.diagnostics.bad_input)
            self._remove({i for i, ns in self._last_seen_ns.items() if abs(affect.stamp_ns - ns) * 1e-9 > _LINGER_S})
            for face in affect.faces:
                self._last_seen_ns[face.track_id] = affect.stamp_ns
                self._publish_face(face, affect, tracked)
            ids = to_msg.ids_to_msg(self._msgs, [face.track_id for face in affect.faces], msg.header)
            self._tracked.publish(ids)
        except Exception as error:  # noqa: BLE001 - callback border: counted and logged, the next message is processed
            self.diagnostics.bad_input(error)
            return
        self.diagnostics.done((self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-6)

    def _publish_face(self, face: Affect, affect: AffectFrame, tracked: TrackedFrame | None) -> None:
        """Publish what REP 155 wants of one face, once the size of the images is known, for `roi` is required."""
        if self._image_size is None:
            return
        if face.track_id not in self._faces:
            self._faces[face.track_id] = self._advertise(face.track_id)
        msgs, header, size = self._msgs, self._header, self._image_size
        makers = {
            'roi': lambda: to_msg.roi_to_msg(msgs, face.box, face.confidence, size, header),
            'expression': lambda: to_msg.expression_to_msg(msgs, face, affect.expression_labels, header),
            'facs': lambda: to_msg.facs_to_msg(msgs, face, header),
        }
        track = next((t for t in tracked.tracks if t.track_id == face.track_id), None) if tracked else None
        if track is not None and track.crop.size:  # empty where it could not be read
            makers['cropped'] = lambda: to_msg.cropped_to_msg(track, self.settings.hri_crop_size, header)
        for name, make in makers.items():
            publisher = self._faces[face.track_id][name]
            if publisher.get_subscription_count() > 0:
                publisher.publish(make())

    def _advertise(self, track_id: int) -> dict[str, Publisher]:
        msgtypes = {
            'roi': self._msgs.NormalizedRegionOfInterest2D,
            'cropped': Image,
            'expression': self._msgs.Expression,
            'facs': self._msgs.FacialActionUnits,
        }
        return {
            name: self.create_publisher(msgtype, f'{_ROOT}/{face_id(track_id)}/{name}', qos.RESULTS)
            for name, msgtype in msgtypes.items()
        }

    def _remove(self, track_ids: set[int]) -> None:
        for track_id in track_ids:
            self._last_seen_ns.pop(track_id, None)
            for publisher in self._faces.pop(track_id, {}).values():
                self.destroy_publisher(publisher)

    def close(self) -> None:
        """Publish an empty list of faces, so that no face stays listed in other programs."""
        if self.context.ok() and self.demand.active:
            self._tracked.publish(to_msg.ids_to_msg(self._msgs, [], self._header))


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception hri_node`."""
    run_nodes(lambda: [HriNode()], args, ['hri_node'])


if __name__ == '__main__':
    main()
