"""Smile scores of a batch: per input in the table, and over the people of all inputs together."""

from dataclasses import replace

import pytest
from builders.evaluation import CALM, SMILE, evaluate_frames, metrics_of, scripted_frames

from affect_perception.evaluation.offline.batch_scores import format_pooled, pooled_smile
from affect_perception.evaluation.offline.batch_summary import format_table, summary_row, write_summary
from affect_perception.evaluation.offline.jobs import Job
from affect_perception.evaluation.report.ratings import MODEL
from affect_perception.evaluation.report.report import ReportOptions
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings


@pytest.fixture(scope='module')
def jobs(tmp_path_factory) -> list[Job]:
    """Three finished inputs: a person read as labelled, one read otherwise, and one without any tracked face."""
    folder = tmp_path_factory.mktemp('batch')
    (folder / 'labels.csv').write_text('start,end,smile\n2,4,medium\n')
    labels = ReportOptions((folder / 'labels.csv',))
    tracks = {'right': SMILE, 'wrong': CALM, 'nobody': [None] * 60}
    settings = (SourceSettings(), TrackerSettings(), AffectSettings())
    outs = {
        name: evaluate_frames(folder / name, scripted_frames((1, 0, of)), labels.labels) for name, of in tracks.items()
    }
    return [Job(name, 'clip.mp4', out, *settings, options={'report': labels}) for name, out in outs.items()]


def test_levels_of_all_inputs_are_scored_together_and_an_input_without_faces_counts_as_such(jobs):
    pooled = pooled_smile(jobs)
    assert (pooled['inputs'], pooled['people'], pooled['frames'], pooled['frames_without_face']) == (3, 3, 120, 60)
    assert pooled[MODEL]['confusion'] == [[80, 0, 0, 0], [0, 0, 0, 0], [20, 0, 20, 0], [0, 0, 0, 0]]
    assert pooled[MODEL]['accuracy']['value'] == pytest.approx(100 / 120, abs=1e-6)
    assert pooled[MODEL]['accuracy']['interval'] is not None
    text = format_pooled(pooled)
    assert '120 labelled faces of 3 people; 0 more with an unknown level, 60 without a tracked face' in text
    assert 'neutral read neutral 100.0%' in text


def test_inputs_without_labels_have_no_scores(jobs):
    assert pooled_smile([replace(job, options={'report': ReportOptions()}) for job in jobs]) is None


def test_table_and_summary_have_columns_of_scores_where_there_are_labels(jobs, tmp_path):
    rows = [summary_row(job.name, metrics_of(job.out), False) for job in jobs]
    assert [row['smile_frames'] for row in rows] == [60, 60, 0]
    assert [row['smile_accuracy'] for row in rows] == [1, pytest.approx(2 / 3, abs=1e-6), None]
    assert 'macro F1' in format_table(rows)
    write_summary(tmp_path / 'with.csv', rows)
    head = (tmp_path / 'with.csv').read_text().splitlines()[0]
    assert head.endswith(
        'error,smile_frames,smile_without_face,smile_unknown,smile_accuracy,smile_macro_f1,smile_kappa_quadratic'
    )
    without = [summary_row('plain', {'frames': 3}, False)]
    assert 'macro F1' not in format_table(without)
    write_summary(tmp_path / 'without.csv', without)
    assert (tmp_path / 'without.csv').read_text().splitlines()[0].endswith(',error')
