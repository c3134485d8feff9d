"""Scores of a run against its labels."""

import math
from dataclasses import replace

import pytest
from builders.evaluation import CALM, SMILE, TWO_ANNOTATORS, analyse_folder, metrics_of, page_of, scripted_frames

from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.offline.tables import COLUMNS
from affect_perception.evaluation.report.analysis import analyse
from affect_perception.evaluation.report.disagreements import disagreements
from affect_perception.evaluation.report.matching import match_people
from affect_perception.evaluation.report.ratings import MODEL
from affect_perception.evaluation.report.results import run_from_tables


def test_perfect_run_scores_one(evaluated, labelled):
    found = analyse_folder(evaluated(scripted_frames((7, 0, SMILE))), labelled('start,end,smile\n2,4,medium\n'))
    smile = found.metrics['smile'][MODEL]
    assert (smile['kappa']['value'], smile['accuracy']['value'], smile['kappa_segments']['value']) == (1, 1, 1)
    assert smile['onset_delay_s'] == {
        'median': 0, 'quartiles': [0, 0], 'matched': 1, 'onsets': 1, 'smiling_already': 0
    }  # fmt: skip
    assert found.metrics['labels']['people'] == {'1': [7]}


def test_frames_without_the_face_are_counted_and_left_out(evaluated, labelled):
    found = analyse_folder(
        evaluated(scripted_frames((1, 0, [None] * 15 + SMILE[15:]))), labelled('start,end,smile\n2,4,medium\n')
    ).metrics
    assert (found['smile']['frames'], found['smile']['frames_without_face']) == (45, 15)


def test_frames_of_a_person_that_is_never_tracked_count_as_frames_without_face(evaluated, labelled):
    text = 'frame,person,smile\n' + ''.join(f'{i},{p},low\n' for i in range(10) for p in 'ab')
    found = analyse_folder(evaluated(scripted_frames((1, 0, CALM))), labelled(text)).metrics['smile']
    assert (found['frames'], found['frames_without_face'], found['frames_unknown']) == (10, 10, 0)


def test_faces_with_an_unknown_level_are_counted_apart_from_frames_without_face(evaluated, labelled):
    frames = scripted_frames((1, 0, SMILE))
    nan = math.nan
    for i in range(20):
        one = replace(frames[i][1].faces[0], smile_probabilities=(nan,) * 4, smile_intensity=nan)
        frames[i] = (frames[i][0], replace(frames[i][1], faces=(one,)))
    folder = evaluated(frames, labels=[labelled('start,end,smile\n2,4,medium\n')])
    found = metrics_of(folder)['smile']
    assert (found['frames'], found['frames_without_face'], found['frames_unknown']) == (40, 0, 20)
    assert 'In 33.3% the model gave no level' in page_of(folder)


def test_intensities_are_scored_by_auc_and_by_the_median_of_each_level(evaluated, labelled):
    found = analyse_folder(evaluated(scripted_frames((1, 0, SMILE))), labelled('start,end,smile\n2,4,medium\n'))
    model = found.metrics['smile'][MODEL]
    assert model['intensity_auc'] == 1
    assert model['intensity_median'] == {
        'neutral': 0,
        'low': None,
        'medium': pytest.approx(2 / 3, abs=1e-6),
        'high': None,
    }


def test_every_annotator_is_compared_with_the_first(evaluated, labelled):
    found = analyse_folder(evaluated(scripted_frames((1, 0, SMILE), (2, 200, CALM))), labelled(TWO_ANNOTATORS)).metrics
    assert found['labels']['reference'] == 'anna'
    assert found['smile']['ben']['confusion'][2] == [5, 15, 0, 0]
    assert set(found['smile']['kappa_between']) == {'anna', 'ben', MODEL}
    assert found['smile'][MODEL]['accuracy']['interval'] is not None


def test_disagreements_are_listed_by_length(evaluated, labelled):
    analysis = analyse_folder(evaluated(scripted_frames((1, 0, SMILE))), labelled('start,end,smile\n1.5,3.2,medium\n'))
    assert [(round(d.start_s, 3), d.reference, d.model) for d in disagreements(analysis)] == [
        (3.2, 'neutral', 'medium'),
        (1.5, 'medium', 'neutral'),
    ]


def test_valence_is_compared_as_a_number(evaluated, labelled):
    text = 'frame,valence\n' + ''.join(f'{i},0.4\n' for i in range(60))
    found = analyse_folder(evaluated(scripted_frames((1, 0, CALM))), labelled(text)).metrics['valence'][MODEL]
    assert found['rmse']['value'] == pytest.approx(0.3)
    assert found['frames'] == 60


def test_labels_outside_the_recording_are_noted(evaluated, labelled):
    folder = evaluated(scripted_frames((1, 0, SMILE)))
    notes = analyse_folder(folder, labelled('start,end,smile\n2,4,medium\n100,101,low\n')).notes
    assert notes == ['1 of the 2 labels by labels lie outside the recording, which is 5.9 s long']
    text = 'frame,smile\n' + ''.join(f'{i},low\n' for i in range(500, 510))
    found = analyse_folder(folder, labelled(text))
    assert found.metrics['smile']['frames'] == 0
    assert any('10 of the 10 labels' in note for note in found.notes)


def test_expressions_of_both_labels_and_model_are_compared(labelled):
    names = ('neutral', 'happiness', 'contempt')
    table = {name: [0.0] * 4 for name in (*COLUMNS[3:8], *COLUMNS[9:], *names)}
    table |= {'frame': [0, 1, 2, 3], 'track_id': [1] * 4, 'smile_level': ['neutral'] * 4}
    table |= {'neutral': [0.9, 0.8, 0.2, 0.7], 'happiness': [0.1, 0.1, 0.8, 0.2], 'contempt': [0.0, 0.1, 0.0, 0.1]}
    run = run_from_tables('m', [(i, i / 10, '') for i in range(4)], table, names, True)
    lines = 'Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n0\n4\n4\n1\n'  # anger: the model knows none
    labels = read_labels([labelled(lines, 'clip.txt')])
    found = analyse(run, labels, match_people(run, labels, {})).metrics['expression']
    assert found['classes'] == list(names)
    assert found[MODEL]['confusion'] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert found[MODEL]['accuracy']['value'] == pytest.approx(2 / 3, abs=1e-6)


def test_single_images_are_compared_without_an_order_in_time(evaluated, labelled):
    frames = scripted_frames((1, 0, [0, 2]))
    folder = evaluated(frames, labels=[labelled('frame,person,smile\n0,ann,neutral\n1,bob,low\n')], sequence=False)
    found = metrics_of(folder)
    assert found['labels']['matched'] == 'the largest face of each picture'
    assert found['smile'][MODEL]['accuracy']['value'] == 0.5
    assert 'onset_delay_s' not in found['smile'][MODEL]
    assert 'Frame by frame' not in page_of(folder)
