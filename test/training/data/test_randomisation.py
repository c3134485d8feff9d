"""Other shapes, tones, textures and mouths of faces in training."""

import numpy as np
import pytest
import torch
from builders.training import TINY, drawn_sets
from torch import Generator

from affect_perception.training.data.augmentation import degraded
from affect_perception.training.data.batches import Batches
from affect_perception.training.data.randomisation import (
    bent,
    filtered,
    lower_face,
    randomised,
    textured,
    toned,
    with_other_mouths,
)

FACES = torch.rand(40, 48, 48, generator=Generator().manual_seed(5)) * 200 + 20


def test_pictures_are_a_function_of_the_seed_and_stay_in_range():
    a, b, c = (randomised(FACES, Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.shape == FACES.shape
    assert 0 <= float(a.min()) <= float(a.max()) <= 255
    assert randomised(FACES, Generator(), 0.0) is FACES


@pytest.mark.parametrize('change', [bent, toned, filtered, textured])
def test_each_change_alone_alters_the_pictures_and_gives_numbers(change):
    made = change(FACES, Generator().manual_seed(3))
    assert made.shape == FACES.shape
    assert made.isfinite().all()
    assert (made - FACES).abs().mean((1, 2)).median() > 0.5


def test_tones_keep_their_order():
    ramp = torch.linspace(0, 255, 48).expand(8, 48, 48)
    assert (toned(ramp, Generator().manual_seed(0)).diff(dim=2) > 0).all()


def test_another_mouth_changes_the_lower_face_of_the_chosen_pictures_only():
    made = with_other_mouths(FACES, torch.tensor([2, 7]), torch.tensor([9, 9]))
    assert torch.equal(made[[0, 1, 3]], FACES[[0, 1, 3]])
    weight = lower_face(48)
    assert torch.equal(made[2][weight == 0], FACES[2][weight == 0])
    inside = np.corrcoef(made[2][weight == 1], FACES[9][weight == 1])[0, 1]
    assert inside > 0.99
    assert with_other_mouths(FACES, torch.zeros(0).long(), torch.zeros(0).long()) is FACES


def test_a_face_with_another_mouth_has_its_smile_and_no_expression():
    plain = Batches(drawn_sets(), TINY).batch(0)
    swapped = Batches(drawn_sets(), TINY.changed(other_mouths=1.0)).batch(0)
    asked = plain.face & swapped.face
    assert swapped.votes[asked].isnan().all()
    assert not swapped.share[asked].isnan().any()
    assert set(swapped.share[asked].tolist()) <= set(plain.share[~plain.share.isnan()].tolist())


def test_pictures_beyond_reading_are_of_every_kind_wherever_they_stand_in_the_batch():
    upside_down = []
    for seed in range(30):
        made, unclear = degraded(FACES, 1.1, Generator().manual_seed(seed))
        assert unclear.all()
        upside_down += [i for i in range(len(FACES)) if torch.equal(made[i], FACES[i].flip(0))]
    assert min(upside_down) < 8
    assert max(upside_down) > 32
