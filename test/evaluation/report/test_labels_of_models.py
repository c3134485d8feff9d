"""Tables and reports of models that name expressions or reactions, and that know no smile."""

import csv
import math
from dataclasses import replace

import numpy as np
from builders.evaluation import CALM, SMILE, analyse_folder, evaluate_frames, metrics_of, page_of, scripted_frames

from affect_perception.evaluation.report.results import read_run
from affect_perception.evaluation.report.summary import summarize_people
from affect_perception.types import AffectFrame

REACTIONS = ('amusement', 'empathic_pain', 'fear')
NAN = math.nan


def reacting(*values: float) -> list:
    """Scripted frames of one face without a smile; amusement rises from 0 to 1, the other reactions are constant."""
    frames = []
    for i, (frame, affect) in enumerate(scripted_frames((1, 0.0, SMILE))):
        faces = tuple(
            replace(
                face, smile_probabilities=(NAN,) * 4, smile_intensity=NAN, valence=NAN, arousal=NAN,
                reaction_intensities=(i / 59, 0.2, 0.1),
            )
            for face in affect.faces
        )  # fmt: skip
        frames.append((frame, AffectFrame(affect.stamp_ns, 'camera', 'reactions', faces, (), REACTIONS)))
    return frames


def test_table_has_a_column_per_reaction_which_the_run_reads_back(tmp_path):
    folder = evaluate_frames(tmp_path / 'out', reacting())
    with (folder / 'faces.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert rows[0]['smile_level'] == 'unknown'
    assert list(rows[0])[-3:] == ['reaction_amusement', 'reaction_empathic_pain', 'reaction_fear']
    run = read_run(folder)
    assert run.reactions == REACTIONS
    assert run.expressions == ()
    assert run.columns['reaction_amusement'][-1] == 1
    assert not run.predicts('level')


def test_report_shows_reactions_over_time_and_speaks_of_no_smile(tmp_path):
    folder = evaluate_frames(tmp_path / 'out', reacting())
    page = page_of(folder)
    assert 'timeline of reactions' in page
    assert 'empathic pain' in page
    assert summarize_people(read_run(folder)) == 'The strongest reaction by the model is amusement: 0.50 on average.'
    assert 'predicts a smile' not in page


def test_labelled_reactions_are_scored_and_a_labelled_smile_is_noted_as_not_predicted(tmp_path):
    folder = evaluate_frames(tmp_path / 'out', reacting())
    labels = tmp_path / 'labels.csv'
    lines = [f'{i},{i / 59:.4f},low' for i in range(60)]
    labels.write_text('\n'.join(['frame,reaction_amusement,smile', *lines]) + '\n')
    analysis = analyse_folder(folder, labels)
    assert analysis.metrics['reaction_amusement']['model']['ccc']['value'] > 0.999
    assert 'smile' not in analysis.classes
    assert any('smile is labelled, but' in note and 'does not predict it' in note for note in analysis.notes)


def test_expressions_of_a_model_stand_in_the_report(tmp_path):
    frames = [
        (frame, replace(affect, faces=tuple(replace(f, expression_probabilities=(0.25, 0.75)) for f in affect.faces),
                        expression_labels=('anger', 'happiness')))
        for frame, affect in scripted_frames((1, 0.0, CALM))
    ]  # fmt: skip
    folder = evaluate_frames(tmp_path / 'out', frames)
    assert read_run(folder).expressions == ('anger', 'happiness')
    assert 'timeline of expressions' in page_of(folder)
    assert np.isclose(metrics_of(folder)['frames'], 60)
