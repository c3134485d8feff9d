"""Winograd convolution against the plain one, at sizes that are and are not multiples of its groups of rows."""

import numpy as np
import pytest

torch = pytest.importorskip('torch', reason='the detector runs on PyTorch (pip install torch)')

from affect_perception.detectors.dlib.winograd import Scratch, Winograd, transforms  # noqa: E402


def filters(outputs: int, inputs: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(outputs, inputs, 5, 5, generator=generator) / 10, torch.randn(outputs, generator=generator)


def images(channels: int, height: int, width: int) -> torch.Tensor:
    image = torch.randn(1, channels, height, width, generator=torch.Generator().manual_seed(2))
    return image.contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(('height', 'width'), [(1, 1), (6, 9), (7, 4), (200, 3)])
def test_outputs_are_those_of_the_plain_convolution_at_any_size(height, width):
    weight, bias = filters(7, 5)
    x = images(5, height, width)
    expected = torch.nn.functional.conv2d(x, weight, bias, padding=2).relu()
    answer = Winograd(weight, bias)(x, Scratch(), 'answer')
    assert answer.shape == expected.shape
    assert (answer - expected).abs().max() < 1e-5


def test_a_larger_image_before_leaves_no_trace_in_a_smaller_one():
    weight, bias = filters(4, 4)
    convolution, scratch = Winograd(weight, bias), Scratch()
    small = images(4, 8, 5)
    alone = convolution(small, Scratch(), 'answer').clone()
    convolution(100 * images(4, 40, 30), scratch, 'answer')
    assert torch.equal(convolution(small, scratch, 'answer'), alone)


def test_transforms_compute_the_sums_they_promise():
    answer, filters, inputs = transforms(2, 3, (1.0, -1.0, 0.0))
    x, f = np.array([1.0, 2.0, -3.0, 5.0]), np.array([0.5, 1.0, -2.0])
    wanted = [x[0:3] @ f, x[1:4] @ f]
    np.testing.assert_allclose(answer.T @ ((filters @ f) * (inputs @ x)), wanted)
    assert (answer[0] == 1).all()
