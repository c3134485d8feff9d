"""Augmentation: reproducible, and each change does what its name says."""

import torch
from builders.training import drawn_faces

from affect_perception.training.data.augmentation import augmented, geometry, jpeg, lit_from_one_side, low_resolution


def test_augmentation_is_a_function_of_its_seed_and_stays_a_picture():
    pictures = torch.from_numpy(drawn_faces(16, 0).crops).float()
    a, b, c = (augmented(pictures, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
    assert a.shape == pictures.shape
    assert a.min() >= 0
    assert a.max() <= 255
    assert torch.equal(augmented(pictures, torch.Generator(), strength=0), pictures)


def test_geometry_with_nothing_to_do_keeps_the_picture_and_flip_mirrors_it():
    x, zero, one = torch.rand(2, 48, 48) * 255, torch.zeros(2), torch.ones(2)
    flip = torch.tensor([False, True])
    same, mirrored = geometry(x, zero, one, zero, zero, flip)
    torch.testing.assert_close(same, x[0], atol=0.05, rtol=0)
    torch.testing.assert_close(mirrored, x[1].flip(1), atol=0.05, rtol=0)


def test_jpeg_loses_more_the_coarser_it_is_and_low_resolution_loses_detail():
    x = torch.from_numpy(drawn_faces(2, 0).crops).float()
    fine, coarse = ((jpeg(x, torch.full((2,), c)) - x).abs().mean() for c in (0.05, 4.0))
    assert fine < 1 < coarse < 20
    assert low_resolution(x, 12).diff(dim=1).abs().max() < x.diff(dim=1).abs().max()


def test_light_from_one_side_darkens_only_and_only_some():
    x = torch.full((3, 48, 48), 200.0)
    lit = lit_from_one_side(x, torch.tensor([0, 2]), torch.Generator().manual_seed(0))
    assert torch.equal(lit[1], x[1])
    assert (lit <= x).all()
    assert (lit[[0, 2]].amin((1, 2)) < 175).all()
