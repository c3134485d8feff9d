"""hri_node: the mirror of our results under /humans/faces, for programs that speak ROS4HRI (REP 155, libhri).

Subscribes `face_affect` (FaceAffectArray) and `face_tracks` (FaceTrackArray), only while somebody subscribes below
Publishes  `/humans/faces/tracked` (hri_msgs/IdsList) and for each face, under `/humans/faces/<id>`, `roi`
           (NormalizedRegionOfInterest2D), `cropped` (Image), `expression` (Expression) and `facs` (FacialActionUnits)

All of one image carry its stamp. Reliable, as libhri subscribes. docs/ros4hri.md says what is in the fields.
"""

from __future__ import annotations

from rclpy.node import Node
from rclpy.publisher import Publisher
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from affect_perception.msg import FaceAffectArray, FaceTrackArray
from affect_perception.ros import hri_messages as to_msg
from affect_perception.ros import qos
from affect_perception.ros.conversions import affect_from_msg, stamp_from_msg, tracks_from_msg
from affect_perception.ros.diagnostics import NodeDiagnostics
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.on_demand import OnDemand
from affect_perception.ros.parameters import declare_settings
from affect_perception.ros.ros4hri import face_id
from affect_perception.settings import HriSettings
from affect_perception.types import Affect, AffectFrame, Track, TrackedFrame

_ROOT = '/humans/faces'
_KEPT = 8  # tracks that wait for their affect
_LINGER_S = 5.0  # topics of a face that is lost stay for this long, in case it comes back


class HriNode(Node):
    """`overrides` are settings from a program. Raises ConfigError where hri_msgs is not installed."""

    def __init__(self, overrides: dict | None = None, **node_options):
        super().__init__('hri_node', **node_options)
        self.settings = declare_settings(self, HriSettings, overrides)
        self._msgs = to_msg.hri_msgs()
        self._tracked = self.create_publisher(self._msgs.IdsList, f'{_ROOT}/tracked', qos.RESULTS)
        self._faces: dict[int, dict[str, Publisher]] = {}  # by track id
        self._seen_ns: dict[int, int] = {}
        self._tracks: dict[int, FaceTrackArray] = {}  # by stamp
        self._header = Header()  # of the last image
        self._demand = OnDemand(
            self,
            {
                'face_affect': (self._wanted, self._subscribe_affect),
                'face_tracks': (self._wanted, self._subscribe_tracks),
            },
        )
        self.diagnostics = NodeDiagnostics(
            self, lambda: 0, lambda: {'people': len(self._faces)}, idle_reason=self._demand.idle_reason
        )

    def _wanted(self) -> bool:
        publishers = [self._tracked, *(p for face in self._faces.values() for p in face.values())]
        wanted = any(publisher.get_subscription_count() > 0 for publisher in publishers)
        if not wanted:
            self._forget(set(self._faces))
        return wanted

    def _subscribe_affect(self):
        return self.create_subscription(
            FaceAffectArray, 'face_affect', self._mirror, qos.RESULTS, qos_overriding_options=qos.overridable()
        )

    def _subscribe_tracks(self):
        self._tracks.clear()
        return self.create_subscription(
            FaceTrackArray, 'face_tracks', self._keep, qos.RESULTS, qos_overriding_options=qos.overridable()
        )

    def _keep(self, msg: FaceTrackArray) -> None:
        self._tracks[stamp_from_msg(msg.header.stamp)] = msg
        while len(self._tracks) > _KEPT:
            del self._tracks[next(iter(self._tracks))]

    def _mirror(self, msg: FaceAffectArray) -> None:
        try:
            affect, self._header = affect_from_msg(msg), msg.header
            tracks = self._tracks.pop(affect.stamp_ns, None)
            tracked = None if tracks is None else tracks_from_msg(tracks)
            self._forget({i for i, ns in self._seen_ns.items() if abs(affect.stamp_ns - ns) * 1e-9 > _LINGER_S})
            for face in affect.faces:
                self._seen_ns[face.track_id] = affect.stamp_ns
                track = next((t for t in tracked.tracks if t.track_id == face.track_id), None) if tracked else None
                self._publish_face(face, affect, track, tracked)
            ids = to_msg.ids_to_msg(self._msgs, [face.track_id for face in affect.faces], msg.header)
            self._tracked.publish(ids)
        except Exception as error:
            self.diagnostics.bad_input(error)
            return
        self.diagnostics.done((self.get_clock().now().nanoseconds - affect.stamp_ns) * 1e-6)

    def _publish_face(self, face: Affect, affect: AffectFrame, track: Track | None, tracked: TrackedFrame) -> None:
        if face.track_id not in self._faces:
            self._faces[face.track_id] = self._advertise(face.track_id)
        msgs, header = self._msgs, self._header
        making = {
            'expression': lambda: to_msg.expression_to_msg(msgs, face, affect.expression_labels, header),
            'facs': lambda: to_msg.facs_to_msg(msgs, face, header),
        }
        if track is not None:
            making['roi'] = lambda: to_msg.roi_to_msg(msgs, track, tracked, header)
            making['cropped'] = lambda: to_msg.cropped_to_msg(track, self.settings.hri_crop_size, header)
        for name, make in making.items():
            publisher = self._faces[face.track_id][name]
            if publisher.get_subscription_count() > 0:
                publisher.publish(make())

    def _advertise(self, track_id: int) -> dict[str, Publisher]:
        kinds = {
            'roi': self._msgs.NormalizedRegionOfInterest2D,
            'cropped': Image,
            'expression': self._msgs.Expression,
            'facs': self._msgs.FacialActionUnits,
        }
        return {
            name: self.create_publisher(kind, f'{_ROOT}/{face_id(track_id)}/{name}', qos.RESULTS)
            for name, kind in kinds.items()
        }

    def _forget(self, track_ids: set[int]) -> None:
        for track_id in track_ids:
            self._seen_ns.pop(track_id, None)
            for publisher in self._faces.pop(track_id, {}).values():
                self.destroy_publisher(publisher)

    def close(self) -> None:
        """Says that nobody is tracked any more, so that nobody is left standing in other programs."""
        if self.context.ok() and self._demand.active:
            self._tracked.publish(to_msg.ids_to_msg(self._msgs, [], self._header))


def main(args=None) -> None:
    run_nodes(lambda: [HriNode()], args)


if __name__ == '__main__':
    main()
