"""Scaling of overlay images."""

import numpy as np
import pytest

from affect_perception.core.display.overlay import scaled_down


@pytest.mark.parametrize(('width', 'becomes'), [(1280, (64, 48)), (0, (64, 48)), (32, (32, 24)), (40, (40, 30))])
def test_images_are_scaled_down_and_never_up(width, becomes):
    rgb = scaled_down(np.full((48, 64, 3), 7, np.uint8), width)
    assert (rgb.shape[1], rgb.shape[0]) == becomes
    assert (rgb == 7).all()
