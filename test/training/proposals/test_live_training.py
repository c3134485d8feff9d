"""Training of the proposal network on pictures that several processes compose meanwhile, with a few drawn faces."""

import cv2
import numpy as np
import pytest
import torch

from affect_perception.detectors.dlib.cnn import DlibCnn
from affect_perception.detectors.dlib.weights import DETECTOR_FILE, weights_path
from affect_perception.detectors.proposals.canvas import draw, proposal_canvas
from affect_perception.detectors.proposals.weights import load
from affect_perception.errors import ConfigError
from affect_perception.training.proposals import live, train
from affect_perception.training.proposals.pictures import SIZE, FacePool
from affect_perception.training.proposals.scorer import BatchScorer
from affect_perception.training.proposals.store import ScoredStore
from affect_perception.training.proposals.targets import targets
from affect_perception.training.proposals.variants import variants
from affect_perception.training.proposals.varied import compose_varied


@pytest.fixture(scope='module')
def faces(tmp_path_factory):
    """Folder with five portraits: noise, for no person is needed."""
    folder = tmp_path_factory.mktemp('data')
    (folder / 'portraits').mkdir()
    rng = np.random.default_rng(0)
    for i in range(5):
        cv2.imwrite(str(folder / 'portraits' / f'{i}.jpg'), rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
    return folder


@pytest.fixture(scope='module')
def detector():
    try:
        return str(weights_path('', DETECTOR_FILE))
    except ConfigError as error:
        pytest.skip(f"dlib's weights: {error}")


def test_equal_numbers_give_equal_varied_pictures_and_others_others(faces):
    one, same, other = (
        compose_varied(FacePool(faces, 'train', kept=kept), [], (0, number))
        for kept, number in ((0, 1), (1, 1), (0, 2))
    )
    assert one.shape == (*SIZE, 3)
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_first_variant_of_a_picture_lies_as_given():
    picture = torch.zeros(2, 3, 40, 60, dtype=torch.uint8)
    picture[:, :, 5:15, 20:45] = 200
    made = variants(picture, 2, torch.Generator().manual_seed(0))
    assert made.shape == (4, 3, 40, 60)
    assert torch.equal(made, made.round())
    for first in made[::2]:
        assert first[:, 7:13, 22:43].mean() > first[:, 20:].mean() + 10


def test_scores_and_canvases_of_a_batch_are_those_of_single_pictures(detector):
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (2, 12, 18, 3), dtype=np.uint8)
    size = (120, 180)
    pictures = np.stack([cv2.resize(one, size[::-1]) for one in coarse])
    batch = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    canvases, wanted = BatchScorer(torch.device('cpu'), detector, size)(batch)
    layout, dlib = proposal_canvas(*size, False), DlibCnn(detector, precision='fp32')
    for picture, canvas, scores in zip(pictures, canvases, wanted, strict=True):
        assert np.abs(draw(picture, layout).astype(int) - canvas.permute(1, 2, 0).numpy()).max() <= 1
        np.testing.assert_allclose(scores.numpy(), targets(*dlib.scores(picture), layout), atol=0.01)


def test_a_full_store_replaces_the_oldest_and_draws_missed_ones_more_often():
    torch.manual_seed(0)
    store = ScoredStore(4)
    for first in (0, 3):
        numbers = torch.arange(first, first + 3, dtype=torch.uint8).view(3, 1, 1, 1)
        store.add(numbers.expand(3, 3, 8, 8), numbers.expand(3, 4, 2, 2).half())
    assert (len(store), store.seen) == (4, 6)
    store.record(torch.arange(4), torch.tensor([100.0, 0, 0, 0]))
    places, canvases, wanted = store.draw(4000)
    assert set(canvases[:, 0, 0, 0].tolist()) == {2, 3, 4, 5}
    assert torch.equal(canvases[:, 0, 0, 0].half(), wanted[:, 0, 0, 0])
    assert (places == 0).float().mean() == pytest.approx(4 / 7, abs=0.05)


def test_a_run_leaves_a_network_of_the_given_shape(faces, detector, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(live, 'GROUP', 2)
    numbers = {'workers': 1, 'seconds': 1, 'validation': 1, 'first': 2, 'kept': 8, 'batch': 2, 'variants': 1}
    options = [f'--{name}={value}' for name, value in {**numbers, 'device': 'cpu'}.items()]
    files = ['--data', str(faces), '--detector', detector, '--out', str(tmp_path / 'x.safetensors')]
    assert train.main([*options, *files, '--network', 'small=8,16,1,4,3']) == 0
    assert load(tmp_path / 'small.safetensors').settings['width'] == 16
    assert '"validation": {"usual"' in capsys.readouterr().out


def test_a_network_that_cannot_be_read_is_refused_in_one_line(faces, capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main(['--workers', '1', '--device', 'cpu', '--data', str(faces), '--network', 'small=8,16'])
    assert stopped.value.code == 2
    assert '--network small=8,16' in capsys.readouterr().err
