"""Morphs from the neutral to the smiling portrait of a person."""

import cv2
import numpy as np
import pytest

from affect_perception.training.synthetic.morphs import morphed, same_face, with_other_mouth
from affect_perception.types import Box


@pytest.fixture(scope='module')
def portraits() -> tuple[np.ndarray, np.ndarray]:
    """The astronaut twice, the second time with a mouth pulled wide and, as by a detector, in another place."""
    portrait = pytest.importorskip('skimage.data').astronaut()[:300, 100:400]
    y, x = np.mgrid[:300, :300].astype(np.float32)
    near = np.exp(-(((x - 124) / 30) ** 2) - ((y - 141) / 16) ** 2)
    wide = cv2.remap(portrait, x - 0.25 * (x - 124) * near, y, cv2.INTER_LINEAR)
    return portrait, np.roll(wide, (12, -9), (0, 1))


ASTRONAUT = Box(73.5, 79, 93, 93)


def test_a_face_is_found_again_where_the_second_portrait_has_it(portraits):
    found = same_face(*portraits, ASTRONAUT)
    assert abs(found.x - (ASTRONAUT.x - 9)) <= 1
    assert abs(found.y - (ASTRONAUT.y + 12)) <= 1
    assert (found.width, found.height) == (ASTRONAUT.width, ASTRONAUT.height)


def test_a_morph_goes_from_one_portrait_to_the_other_step_by_step(portraits):
    crops = morphed(*portraits, ASTRONAUT, 5, 96, 0.15).astype(np.float32)
    from_first = np.abs(crops - crops[0])[:, 55:80, 20:76].mean((1, 2))
    assert crops.shape == (5, 96, 96)
    assert (np.diff(from_first) > 0).all()
    assert from_first[-1] > 3
    assert np.abs(crops - crops[0])[:, 15:45, 20:76].mean() < 2.5  # eyes stay eyes


def test_another_mouth_changes_the_mouth_only():
    face, mouth = np.full((48, 48), 200, np.uint8), np.full((48, 48), 50, np.uint8)
    for spread in (0, 0.5, 1):
        mixed = with_other_mouth(face, mouth, spread)
        assert mixed[33, 24] == 50
        assert (mixed[:16] == 200).all()
    assert (with_other_mouth(face, mouth, 1) < 200).sum() > (with_other_mouth(face, mouth, 0) < 200).sum()
