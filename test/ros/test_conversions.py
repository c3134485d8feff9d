"""Every message survives the way out and back; what flows in memory is what arrives."""

import math
from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

from rclpy.serialization import deserialize_message, serialize_message

from affect_perception import msg as messages
from affect_perception.core.agent.group_affect import GroupAffect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.errors import BadInputError
from affect_perception.ros import conversions as convert
from affect_perception.types import Affect, AffectFrame, Box, Frame, SmileLevel, Track, TrackedFrame

pytestmark = pytest.mark.ros

STAMP = 1_795_000_000_123_456_789
RNG = np.random.default_rng(7)


def picture(height=48, width=64) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)


def over_the_wire(message):
    return deserialize_message(serialize_message(message), type(message))


def test_stamp_keeps_every_nanosecond():
    assert convert.stamp_from_msg(over_the_wire(convert.stamp_to_msg(STAMP))) == STAMP


def test_frame_comes_back_with_stamp_frame_id_and_every_pixel():
    frame = Frame(STAMP, 'camera_color_optical_frame', picture())
    back = convert.frame_from_msg(over_the_wire(convert.frame_to_msg(frame)))
    assert (back.stamp_ns, back.frame_id) == (STAMP, 'camera_color_optical_frame')
    np.testing.assert_array_equal(back.rgb, frame.rgb)


def test_tracks_come_back_as_they_were():
    track = Track(7, Box(10, 12, 20, 22), 0.75, 0.25, picture(96, 96), (0.5, -0.25, 2.0))
    lone = Track(8, Box(40, 0, 24, 48), 0.5, 0.0, picture(96, 96))
    tracked = TrackedFrame(STAMP, 'optical', 64, 48, (track, lone))
    back = convert.tracks_from_msg(over_the_wire(convert.tracks_to_msg(tracked)))
    assert (back.stamp_ns, back.frame_id, back.image_width, back.image_height) == (STAMP, 'optical', 64, 48)
    assert [t.track_id for t in back.tracks] == [7, 8]
    assert back.tracks[0].box == track.box
    assert (back.tracks[0].confidence, back.tracks[0].detection_age_s) == (0.75, 0.25)
    assert back.tracks[0].position == track.position
    assert all(math.isnan(v) for v in back.tracks[1].position)
    np.testing.assert_array_equal(back.tracks[0].crop, track.crop)


def test_crops_carry_the_header_of_their_image():
    message = convert.tracks_to_msg(
        TrackedFrame(STAMP, 'optical', 64, 48, (Track(1, Box(0, 0, 9, 9), 1, 0, picture()),))
    )
    assert message.tracks[0].crop.header == message.header
    assert message.tracks[0].crop.encoding == 'rgb8'


@pytest.mark.parametrize(
    ('box', 'expected'),
    [
        (Box(-10, -5, 30, 30), (0, 0, 20, 25)),
        (Box(50, 40, 100, 100), (50, 40, 14, 8)),
        (Box(200, 200, 10, 10), (64, 48, 0, 0)),
        (Box(1.6, 2.4, 10, 10), (2, 2, 10, 10)),
    ],
)
def test_region_of_interest_stays_inside_the_image(box, expected):
    roi = convert.box_to_msg(box, 64, 48)
    assert (roi.x_offset, roi.y_offset, roi.width, roi.height) == expected


def test_affect_comes_back_as_it_was():
    face = Affect(
        track_id=7,
        box=Box(10, 12, 20, 22),
        confidence=0.5,
        smile_probabilities=(0.125, 0.125, 0.25, 0.5),
        smile_intensity=0.75,
        position=(0.5, -0.25, 2.0),
        valence=0.5,
        arousal=-0.5,
        expression_probabilities=(0.25, 0.75),
        reaction_intensities=(1.0,),
        evidence_frames=12,
        speaking=0.5,
        laughter=0.25,
    )
    affect = AffectFrame(STAMP, 'optical', 'first', (face,), ('neutral', 'happiness'), ('amusement',))
    back = convert.affect_from_msg(over_the_wire(convert.affect_to_msg(affect)))
    assert math.isnan(back.faces[0].laughter)  # not part of the message
    assert vars(replace(back.faces[0], laughter=0.25)) == vars(face)
    assert back.faces[0].smile_level is SmileLevel.HIGH
    assert vars(back) == {**vars(affect), 'faces': back.faces}


def test_face_without_an_answer_is_unknown_and_its_numbers_are_not_numbers():
    face = Affect(1, Box(0, 0, 9, 9), 0.5, (math.nan,) * 4, math.nan, evidence_frames=10**6)
    message = over_the_wire(convert.affect_to_msg(AffectFrame(STAMP, '', 'first', (face,))))
    assert message.faces[0].smile_level == messages.FaceAffect.SMILE_UNKNOWN
    assert math.isnan(message.faces[0].smile_intensity)
    assert math.isnan(message.faces[0].valence)
    assert message.faces[0].evidence_frames == 65535


def test_levels_of_the_messages_are_those_of_the_code():
    for level in SmileLevel:
        assert getattr(messages.FaceAffect, f'SMILE_{level.name}') == level


def test_behaviour_comes_back_as_it_was():
    behaviour, group = Behaviour('greet', 7, 0.5, 'person 7 is new here'), GroupAffect(0.5, -0.25, 0.75, 2)
    header = convert.header_to_msg(STAMP, 'optical')
    back = convert.behaviour_from_msg(over_the_wire(convert.behaviour_to_msg(behaviour, group, header)))
    assert back == (behaviour, group)


def test_messages_deserialised_by_rosbags_are_read_as_those_of_rclpy():
    pytest.importorskip('rosbags', reason='needs rosbags (pip install affect-perception[bags])')
    from affect_perception.sources.bags.message_types import known_types

    def by_rosbags(message):
        return known_types().deserialize_cdr(
            serialize_message(message), f'affect_perception/msg/{type(message).__name__}'
        )

    track = Track(7, Box(10, 12, 20, 22), 0.75, 0.25, picture(96, 96), (0.5, -0.25, 2.0))
    face = Affect(7, Box(10, 12, 20, 22), 0.5, (0.125, 0.125, 0.25, 0.5), 0.75, (0.5, -0.25, 2.0), 0.5, -0.5, (1.0,))
    face = replace(face, speaking=0.5)
    tracks = convert.tracks_to_msg(TrackedFrame(STAMP, 'optical', 64, 48, (track,)))
    affect = convert.affect_to_msg(AffectFrame(STAMP, 'optical', 'first', (face,), ('neutral',)))
    of_bag, of_ros = (convert.tracks_from_msg(message) for message in (by_rosbags(tracks), over_the_wire(tracks)))
    assert {**vars(of_bag), 'tracks': ()} == {**vars(of_ros), 'tracks': ()}
    np.testing.assert_array_equal(of_bag.tracks[0].crop, of_ros.tracks[0].crop)
    assert {**vars(of_bag.tracks[0]), 'crop': 0} == {**vars(of_ros.tracks[0]), 'crop': 0}
    of_bag, of_ros = (convert.affect_from_msg(message) for message in (by_rosbags(affect), over_the_wire(affect)))
    assert {**vars(of_bag), 'faces': ()} == {**vars(of_ros), 'faces': ()}
    faces = [vars(replace(affect.faces[0], laughter=0.0)) for affect in (of_bag, of_ros)]  # no part of it: NaN
    assert faces[0] == faces[1]


def test_image_whose_fields_contradict_each_other_is_refused():
    message = convert.frame_to_msg(Frame(STAMP, '', picture()))
    message.height += 1
    with pytest.raises(BadInputError) as refused:
        convert.frame_from_msg(message)
    assert refused.value.kind == 'data'
