"""Late fusion, ensembles and the accuracies of vielzeuf2018."""

import numpy as np
import pytest

from affect_perception.errors import ConfigError
from affect_perception.models.blocks import late_fusion
from affect_perception.models.vielzeuf2018 import AFEW_COUNTS


def test_fusion_is_the_weighted_mean_and_an_absent_modality_leaves_its_weight_to_the_other():
    video, audio = np.array([[0.8, 0.2], [0.6, 0.4]]), np.array([[0.4, 0.6], [np.nan, np.nan]])
    fused = late_fusion.fuse([video, audio], (0.65, 0.35))
    assert fused[0] == pytest.approx([0.66, 0.34])
    assert fused[1] == pytest.approx(video[1])
    assert late_fusion.fuse([video, audio])[0] == pytest.approx([0.6, 0.4])
    assert np.isnan(late_fusion.fuse([audio, audio])[1]).all()


def test_learned_weights_favour_the_better_modality():
    generator = np.random.default_rng(0)
    classes = generator.integers(0, 3, 200)
    good = np.eye(3)[classes] * 0.5 + generator.dirichlet(np.ones(3), 200) * 0.5
    bad = generator.dirichlet(np.ones(3), 200)
    weights = late_fusion.learn_weights([good, bad], classes)
    assert sum(weights) == pytest.approx(1)
    assert weights[0] > weights[1]
    fused, alone = late_fusion.fuse([good, bad], weights), late_fusion.fuse([good, bad])
    assert (fused.argmax(1) == classes).mean() >= (alone.argmax(1) == classes).mean()


@pytest.mark.parametrize('weights', [(1.0,), (-1.0, 2.0), (0.0, 0.0)])
def test_weights_that_are_no_mean_are_refused(weights):
    with pytest.raises(ConfigError, match='2 scores need as many weights'):
        late_fusion.fuse([np.ones((1, 2)), np.ones((1, 2))], weights)


def test_weighted_accuracy_counts_classes_as_the_test_set_does():
    said, classes = np.array([0, 0, 1, 0]), np.array([0, 0, 1, 1])  # recalls 1 and 0.5
    assert late_fusion.weighted_accuracy(said, classes, (10, 30)) == pytest.approx((1 * 10 + 0.5 * 30) / 40)
    assert np.isnan(late_fusion.weighted_accuracy(said, classes, (10, 30, 1)))


def test_afews_counts_add_up_as_in_table_1():
    assert {split: sum(counts) for split, counts in AFEW_COUNTS.items()} == {'train': 773, 'val': 383, 'test': 653}


def test_a_random_forest_learns_audio_functionals_and_repeats_with_its_seed():
    generator = np.random.default_rng(0)
    x, classes = generator.normal(size=(60, 8)), np.arange(60) % 2
    x[:, 3] += classes * 3
    scores = [late_fusion.random_forest(7).fit(x, classes).predict_proba(x) for _ in range(2)]
    assert (scores[0].argmax(1) == classes).mean() > 0.95
    assert np.array_equal(*scores)


def test_mean_and_deviation_over_seeds():
    assert late_fusion.mean_and_deviation([0.5, 0.6]) == pytest.approx((0.55, 0.0707106), abs=1e-6)
    assert np.isnan(late_fusion.mean_and_deviation([0.5])[1])
