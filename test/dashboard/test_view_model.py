"""Messages of the page: results, group, agent, drops, and positions on the stage."""

import json
import math
from dataclasses import replace

import pytest

from affect_perception.core.agent.group_affect import GroupAffect
from affect_perception.core.agent.policy import Behaviour
from affect_perception.core.display.markers import assumed_intrinsics
from affect_perception.dashboard.stage_layout import stage_position
from affect_perception.dashboard.view_model import NodeState, ViewModel
from affect_perception.types import NAN3, Affect, AffectFrame, Box

CAMERA = assumed_intrinsics(640, 480, 60.0)


def face(track_id=1, x=320.0, width=80.0, smile=0.5, valence=0.2, position=NAN3) -> Affect:
    box = Box.around((x, 240.0), width, width)
    return Affect(track_id, box, 0.9, (0.1, 0.2, 0.6, 0.1), smile, position, valence, 0.1, evidence_frames=1)


def told(*faces, now_s=10.0, at_s=10.0, view_model=None) -> dict:
    view_model = view_model or ViewModel(60.0)
    view_model.set_size((640, 480))
    view_model.put_affect(AffectFrame(5_000_000_000, 'optical', 'first', faces), at_s, 0.04)
    return view_model.message(now_s, pictures=True)


def test_stage_is_a_mirror_and_the_far_are_smaller_and_higher():
    left, right = stage_position(face(x=100), CAMERA), stage_position(face(x=540), CAMERA)
    assert left.x > 0.5 > right.x
    near, far = stage_position(face(width=160), CAMERA), stage_position(face(width=40), CAMERA)
    assert near.size > far.size
    assert near.y > far.y
    assert near.distance_m < far.distance_m


def test_perspective_is_corrected_so_that_equal_steps_in_the_room_near_and_far_are_closer_to_equal():
    near = 0.5 - stage_position(face(position=(0.3, 0.0, 0.8)), CAMERA).x
    far = 0.5 - stage_position(face(position=(0.3, 0.0, 3.2)), CAMERA).x
    in_picture = 3.2 / 0.8
    assert 1 < near / far < in_picture


@pytest.mark.parametrize('position', [(math.nan, 0, 1), (math.inf, 0.0, 1.0), (0.0, 0.0, -1.0), (50.0, -50.0, 0.1)])
def test_places_are_inside_the_stage_whatever_comes(position):
    where = stage_position(face(position=position, width=0.0), CAMERA)
    assert 0 <= where.x <= 1
    assert 0 <= where.y <= 1
    assert 0 < where.size < 0.5


def test_message_is_plain_json_also_with_what_is_not_known():
    message = told(face(smile=math.nan, valence=math.nan))
    text = json.dumps(message, allow_nan=False)
    person = json.loads(text)['people'][0]
    assert person['smile'] is None
    assert person['valence'] is None
    assert person['level'] == 'medium'
    assert message['group']['valence'] is None
    assert message['status']['latency_ms'] == 40.0


def test_people_are_not_shown_for_ever_when_images_stop():
    view_model = ViewModel(60.0)
    assert len(told(face(), now_s=11.0, view_model=view_model)['people']) == 1
    late = view_model.message(20.0, pictures=True)
    assert late['people'] == []
    assert late['status']['silent_s'] == 10.0
    assert told()['people'] == []


def test_mood_is_the_agents_while_it_speaks_of_this_image():
    view_model = ViewModel(60.0)
    view_model.put_behaviour(5_000_000_000, Behaviour('greet', 1, 1.0, 'is new'), GroupAffect(0.7, 0.1, 0.9, 1))
    message = told(face(), view_model=view_model)
    assert message['agent'] == {'action': 'greet', 'target': 1, 'strength': 1.0, 'reason': 'is new'}
    assert message['group']['valence'] == 0.7
    view_model.put_behaviour(1, Behaviour('greet', 1), GroupAffect(0.7))
    assert view_model.message(10.0, True)['agent'] is None


def test_drops_are_those_of_tracker_and_network():
    view_model = ViewModel(60.0)
    for name in ('face_tracker_node', 'affect_node', 'marker_node'):
        view_model.put_node(NodeState(name, 'OK', '30 frames per second', {'frames_dropped': '7'}), 10.0)
    assert told(view_model=view_model)['status']['dropped'] == 14


@pytest.mark.parametrize('value', ['²', '9' * 5000, '٣', '-1', '', 'nan'])
def test_odd_count_in_diagnostics_is_no_count_and_the_page_goes_on(value):
    view_model = ViewModel(60.0)
    view_model.put_node(NodeState('affect_node', 'OK', '', {'frames_dropped': value}), 10.0)
    assert told(view_model=view_model)['status']['dropped'] is None


def test_message_holds_expressions_and_reactions_with_the_labels_of_the_model():
    view_model = ViewModel(60.0)
    one = replace(face(), expression_probabilities=(0.123, math.nan), reaction_intensities=(0.5,))
    frame = AffectFrame(5_000_000_000, 'optical', 'm', (one,), ('anger', 'fear'), ('amusement',))
    view_model.put_affect(frame, 10.0, 0.04)
    message = json.loads(json.dumps(view_model.message(10.0, pictures=True), allow_nan=False))
    assert message['labels'] == {'expressions': ['anger', 'fear'], 'reactions': ['amusement']}
    assert message['people'][0]['expressions'] == [0.12, None]
    assert message['people'][0]['reactions'] == [0.5]
    view_model.clear()
    assert view_model.message(10.0, pictures=True)['labels'] == {'expressions': [], 'reactions': []}
