"""Matching of labelled people to tracks: by map, by boxes, from left to right."""

import pytest
from builders.evaluation import CALM, SMILE, TWO_ANNOTATORS, analyse_folder, metrics_of, page_of, scripted_frames

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.report.matching import match_people, parse_people
from affect_perception.evaluation.report.ratings import MODEL
from affect_perception.evaluation.report.results import NO_FACE, read_run


def test_people_without_boxes_are_matched_from_left_to_right(evaluated, labelled):
    folder = evaluated(scripted_frames((5, 200, SMILE), (9, 10, CALM)))
    assert analyse_folder(folder, labelled(TWO_ANNOTATORS)).metrics['labels']['people'] == {'a': [9], 'b': [5]}


def test_people_option_joins_the_ids_of_a_person(evaluated, labelled):
    changed = [None] * 30
    folder = evaluated(scripted_frames((5, 200, SMILE[:30] + changed), (8, 200, changed + SMILE[30:]), (9, 10, CALM)))
    found = analyse_folder(folder, labelled(TWO_ANNOTATORS), 'a=5+8,b=9')
    assert found.metrics['labels']['people'] == {'a': [5, 8], 'b': [9]}
    assert found.metrics['smile'][MODEL]['people'][0]['kappa'] == 1


def test_labels_with_boxes_follow_the_person_when_the_id_changes(evaluated, labelled):
    lines = ['frame,person,smile,x,y,width,height']
    lines += [f'{i},a,{level},201,20,40,40' for i, level in enumerate(SMILE)]
    changed = [None] * 30
    folder = evaluated(
        scripted_frames((5, 200, SMILE[:30] + changed), (8, 200, changed + SMILE[30:]), (9, 10, CALM)),
        labels=[labelled('\n'.join(lines))],
    )
    metrics = metrics_of(folder)
    assert metrics['labels']['people'] == {'a': [5, 8]}
    assert metrics['smile'][MODEL]['kappa']['value'] == 1
    assert metrics['ids']['switches'] == 1


def test_labelled_person_without_a_face_is_noted_and_people_without_any_track_are_refused(evaluated, labelled):
    folder = evaluated(scripted_frames((1, 0, SMILE)))
    assert any("'b' of the labels" in note for note in analyse_folder(folder, labelled(TWO_ANNOTATORS)).notes)
    with pytest.raises(ConfigError, match=r'no labelled person \(a, b\) has a face.*tracks there: 1.*--people'):
        analyse_folder(folder, labelled(TWO_ANNOTATORS), 'a=4')
    with pytest.raises(ConfigError, match='names carl; the labels are of a, b'):
        analyse_folder(folder, labelled(TWO_ANNOTATORS), 'carl=1')


def test_recording_without_a_tracked_face_is_scored_as_frames_without_face(evaluated, labelled):
    folder = evaluated(scripted_frames((1, 0, [None] * 60)), labels=[labelled(TWO_ANNOTATORS)])
    metrics = metrics_of(folder)
    assert (metrics['smile']['frames'], metrics['smile']['frames_without_face']) == (0, 120)
    assert metrics['smile'][MODEL]['kappa']['value'] is None
    assert metrics['labels']['people'] == {'a': [], 'b': []}
    assert any('tracks there: none; all labels count as frames without a face' in n for n in metrics['labels']['notes'])
    assert 'there is nothing to compare' in page_of(folder)


def test_boxes_that_fit_no_track_are_noted_and_scored_as_frames_without_face(evaluated, labelled):
    lines = ['frame,person,smile,x,y,width,height', '0,a,low,150,20,40,40', '4,a,low,150,20,40,40']
    metrics = metrics_of(evaluated(scripted_frames((3, 0, CALM)), labels=[labelled('\n'.join(lines))]))
    assert (metrics['smile']['frames'], metrics['smile']['frames_without_face']) == (0, 2)
    assert any('tracks there: 3' in note for note in metrics['labels']['notes'])


@pytest.mark.parametrize('text', ['a', 'a=', 'a=x', '=1', 'a=1+'])
def test_people_option_of_another_form_is_refused(text):
    with pytest.raises(ConfigError, match='PERSON=TRACK'):
        parse_people(text)


def test_faceless_frames_have_no_row(evaluated, labelled):
    run = read_run(evaluated(scripted_frames((1, 0, [None, 0, 1]))))
    rows = match_people(run, read_labels([labelled('frame,smile\n0,low\n')]), {}).rows['1']
    assert rows.tolist() == [NO_FACE, 0, 1]
