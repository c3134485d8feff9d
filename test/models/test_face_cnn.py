"""Shared CNN: preprocessing of crops of any size and exposure, and folding of batch normalisation."""

import cv2
import numpy as np
import pytest
import torch

from affect_perception.models.face_cnn import FaceCnn
from affect_perception.models.smile_va import SmileVa


@pytest.fixture(scope='module')
def random_model() -> SmileVa:
    torch.manual_seed(0)
    return SmileVa(channels=(8, 12, 16, 20), blocks=(1, 1, 1, 1), hidden=4).eval()


def test_preprocess_takes_any_crop_size_and_sees_the_same_face():
    portrait = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (192, 192, 3), np.uint8), (0, 0), 12)
    inputs = [
        FaceCnn.preprocess(torch.from_numpy(cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA))[None])
        for side in (192, 96, 64, 48)
    ]
    for x in inputs:
        assert x.shape == (1, 1, 64, 64)
        assert (x - inputs[0]).abs().mean() < 0.08


def test_preprocess_is_blind_to_exposure_and_survives_black_pictures():
    crop = torch.randint(40, 120, (1, 64, 64, 3), dtype=torch.uint8)
    apart = FaceCnn.preprocess(crop) - FaceCnn.preprocess(crop + 60)
    assert apart.abs().max() < 1e-3
    assert torch.isfinite(FaceCnn.preprocess(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))).all()


def test_folding_the_normalisation_leaves_the_output_as_it_was(random_model):
    x = torch.randn(4, 1, 64, 64)
    model = SmileVa(**random_model.settings)
    model.train()
    for _ in range(3):
        model(x)  # gives the normalisation something other than zeros and ones
    expected = model.eval()(x).score
    torch.testing.assert_close(model.fold()(x).score, expected, atol=1e-4, rtol=1e-4)
