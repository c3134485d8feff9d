"""Comparison of evaluations of one input."""

import pytest
from builders.evaluation import SMILE, PageTags, page_of, scripted_frames

from affect_perception.errors import ConfigError
from affect_perception.evaluation.offline.comparison import compare
from affect_perception.evaluation.report.ratings import MODEL
from affect_perception.evaluation.report.report import ReportOptions


def test_runs_are_compared_side_by_side_on_new_labels(evaluated, labelled, tmp_path):
    good, bad = (
        evaluated(scripted_frames((1, 0, SMILE)), 'good'),
        evaluated(scripted_frames((1, 0, [0] * 30 + SMILE[:30])), 'bad'),
    )
    found = compare([good, bad], tmp_path / 'both', ReportOptions((labelled('start,end,smile\n2,4,medium\n'),)))
    kappas = [run['smile'][MODEL]['kappa']['value'] for run in found['runs'].values()]
    assert kappas[0] == 1 > kappas[1]
    assert found['differences']['bad']['smile']['kappa']['value'] == pytest.approx(kappas[1] - 1)
    page = page_of(tmp_path / 'both')
    assert PageTags(page).open == []
    assert 'good against bad' in page


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='holds no finished evaluation'):
        compare([tmp_path], tmp_path / 'out', ReportOptions())
