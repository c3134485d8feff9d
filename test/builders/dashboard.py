"""A test node that publishes people for the dashboard, and settings of a dashboard for tests."""

import math
import time

from rclpy.node import Node

from affect_perception.core.agent.group_affect import group_affect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.msg import AgentBehaviour, FaceAffectArray, FaceTrackArray
from affect_perception.ros import conversions as convert
from affect_perception.ros import qos
from affect_perception.types import NAN3, Affect, AffectFrame, Box

SIZE = (640, 480)
LEVELS = ((0.9, 0.06, 0.03, 0.01), (0.1, 0.8, 0.08, 0.02), (0.02, 0.1, 0.8, 0.08), (0.01, 0.03, 0.06, 0.9))


def face(track_id=1, x=320.0, smile=0.1, width=80.0, valence=0.1, arousal=0.0, y=220.0, position=NAN3) -> Affect:
    """A face around (x, y) px whose level follows from its smile."""
    level = sum(smile > bound for bound in (1 / 8, 3 / 8, 3 / 4))
    box = Box.around((x, y), width, width * 1.2)
    return Affect(track_id, box, 0.9, LEVELS[level], smile, position, valence, arousal, evidence_frames=9)


def crowd(count: int, at_s: float = 0.0) -> list[Affect]:
    """People in rows, each smiling in time."""
    faces = []
    for i in range(count):
        row, column = divmod(i, 7)
        smile = 0.5 + 0.5 * math.sin(0.5 * at_s + 1.9 * i)
        faces.append(
            face(
                i + 1, 60 + 86 * column + 20 * row + 8 * math.sin(at_s + i), smile, 84 - 20 * row,
                0.8 * (smile - 0.4), 0.6 * math.sin(0.3 * at_s + i), 300 - 70 * row,
            )
        )  # fmt: skip
    return faces


class Publisher(Node):
    """Publishes people as the graph would."""

    def __init__(self):
        super().__init__('people')
        self.affect = self.create_publisher(FaceAffectArray, 'face_affect', qos.RESULTS)
        self.tracks = self.create_publisher(FaceTrackArray, 'face_tracks', qos.RESULTS)
        self.behaviour = self.create_publisher(AgentBehaviour, 'agent_behaviour', qos.RESULTS)

    def send(self, *faces: Affect, behaviour: Behaviour | None = None, expressions=(), reactions=()) -> int:
        """One result, stamped now, with these labels; returns the stamp in ns."""
        stamp_ns = time.time_ns()
        header = convert.header_to_msg(stamp_ns, 'optical')
        self.tracks.publish(FaceTrackArray(header=header, image_width=SIZE[0], image_height=SIZE[1]))
        if behaviour is not None:
            self.behaviour.publish(convert.behaviour_to_msg(behaviour, group_affect(faces), header))
        self.affect.publish(
            convert.affect_to_msg(AffectFrame(stamp_ns, 'optical', 'first', faces, expressions, reactions))
        )
        return stamp_ns

    def close(self) -> None:
        pass
