"""An earlier network's answers among the labels of training."""

import numpy as np
import pytest

pytest.importorskip('torch')

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.training.data.face_sets import Faces, affect_of, class_votes
from affect_perception.training.data.soft_labels import softened, with_teacher
from affect_perception.training.scoring.stills import predict
from affect_perception.training.settings import TrainingSettings


@pytest.fixture
def faces() -> Faces:
    """Three pictures of noise; the class of the last is none of ours."""
    crops = np.random.default_rng(0).integers(0, 256, (3, 96, 96), np.uint8)
    votes = np.float32([class_votes(name) for name in ('neutral', 'happiness', 'boredom')])
    share, above = np.float32([0.03, 0.9, 0.03]), np.zeros((3, 3), np.float32)
    return Faces(crops, share, above, np.array(['a', 'b', 'c']), votes, affect_of(votes))


def test_labels_move_towards_what_the_teacher_says_of_a_picture_and_of_its_mirror_image(faces):
    model = checkpoint.load('smile_va').model
    both = [predict(model, crops).smiling for crops in (faces.crops, faces.crops[:, :, ::-1].copy())]
    said, half = softened(faces, model, 1.0), softened(faces, model, 0.5)
    assert said.share[:2] == pytest.approx(np.mean(both, 0)[:2], abs=1e-5)
    assert said.votes[:2].sum(1) == pytest.approx(1)
    assert half.votes[:2] == pytest.approx((faces.votes + said.votes)[:2] / 2)
    assert half.share == pytest.approx((faces.share + said.share) / 2)


def test_pictures_that_nobody_was_asked_about_stay_as_they_are(faces):
    said = softened(faces, checkpoint.load('smile_va').model, 1.0)
    assert np.isnan(said.votes[2]).all() and said.share[2] == faces.share[2]


def test_only_training_splits_have_a_teacher(faces):
    sets = {'LFW': {'train': faces, 'val': faces, 'test': faces}, 'Morphs': {'train': None}}
    taught = with_teacher(sets, TrainingSettings(teacher='smile_va'))
    assert taught['LFW']['val'] is faces and taught['LFW']['test'] is faces and taught['Morphs'] is sets['Morphs']
    assert not np.array_equal(taught['LFW']['train'].share, faces.share)
    assert with_teacher(sets, TrainingSettings()) is sets


def test_a_network_without_expressions_is_no_teacher(faces):
    with pytest.raises(ConfigError, match='first reads no expressions and cannot teach'):
        with_teacher({'LFW': {'train': faces}}, TrainingSettings(teacher='first'))
