"""The network and its smile head: what must hold for any weights, and what the shipped weights say of real faces."""

import csv
import itertools

import cv2
import numpy as np
import pytest
import torch
from conftest import DATA, ROOT

from affect_perception.core.images.crops import face_crop
from affect_perception.evaluation.metrics.predictions import rank_correlation
from affect_perception.inference.engine import AffectEngine
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.first import FirstModel
from affect_perception.models.layers import SmileHead
from affect_perception.settings import AffectSettings, TrackerSettings
from affect_perception.training.synthetic.morphs import morphed
from affect_perception.types import LEVEL_BOUNDS, Box, SmileLevel, Track, TrackedFrame


@pytest.fixture(scope='module')
def random_model() -> FirstModel:
    torch.manual_seed(0)
    return FirstModel(channels=(8, 12, 16, 20), blocks=(1, 1, 1, 1)).eval()


def test_a_stronger_score_never_lowers_the_intensity_or_the_level():
    head = SmileHead(1)
    torch.nn.init.ones_(head.linear.weight)
    torch.nn.init.zeros_(head.linear.bias)
    said = head(torch.linspace(-8, 8, 200)[:, None])
    assert (said.intensity.diff() > 0).all()
    assert (said.levels.argmax(1).diff() >= 0).all()
    assert set(said.levels.argmax(1).tolist()) == {0, 1, 2, 3}


def test_level_probabilities_are_not_negative_and_sum_to_one():
    for seed in range(20):
        torch.manual_seed(seed)
        head = SmileHead(6)
        for parameter in head.parameters():
            torch.nn.init.normal_(parameter, std=2.0)
        levels = head(torch.randn(50, 6) * 3).levels
        assert (levels >= 0).all()
        torch.testing.assert_close(levels.sum(1), torch.ones(50))


def test_the_most_probable_level_is_the_one_in_which_the_intensity_lies():
    head = SmileHead(1)
    torch.nn.init.ones_(head.linear.weight)
    torch.nn.init.zeros_(head.linear.bias)
    said = head(torch.linspace(-5, 5, 2001)[:, None])
    level = torch.bucketize(said.intensity, torch.tensor(LEVEL_BOUNDS))
    away_from_bounds = (said.intensity[:, None] - torch.tensor(LEVEL_BOUNDS)).abs().min(1).values > 0.02
    assert torch.equal(said.levels.argmax(1)[away_from_bounds], level[away_from_bounds])


def test_rescaling_replaces_the_score():
    head, embedding = SmileHead(6), torch.randn(9, 6)
    before = head(embedding)
    head.rescale(1.7, -0.3)
    torch.testing.assert_close(head(embedding).score, 1.7 * before.score - 0.3)


def test_preprocess_takes_any_crop_size_and_sees_the_same_face():
    portrait = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (192, 192, 3), np.uint8), (0, 0), 12)
    inputs = [
        FirstModel.preprocess(torch.from_numpy(cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA))[None])
        for side in (192, 96, 64, 48)
    ]
    for x in inputs:
        assert x.shape == (1, 1, 64, 64)
        assert (x - inputs[0]).abs().mean() < 0.08


def test_preprocess_is_blind_to_exposure_and_survives_black_pictures():
    crop = torch.randint(40, 120, (1, 64, 64, 3), dtype=torch.uint8)
    apart = FirstModel.preprocess(crop) - FirstModel.preprocess(crop + 60)
    assert apart.abs().max() < 1e-3
    assert torch.isfinite(FirstModel.preprocess(torch.zeros(1, 64, 64, 3, dtype=torch.uint8))).all()


def test_folding_the_normalisation_leaves_the_output_as_it_was(random_model):
    x = torch.randn(4, 1, 64, 64)
    model = FirstModel(**random_model.settings)
    model.train()
    for _ in range(3):
        model(x)  # gives the normalisation something other than zeros and ones
    expected = model.eval()(x).score
    torch.testing.assert_close(model.fold()(x).score, expected, atol=1e-4, rtol=1e-4)


SMALL = {'witzig2019': {'width': 1 / 32}}  # the whole one has 150 million weights


@pytest.mark.parametrize('name', MODELS)
def test_every_registered_model_has_what_the_engine_needs(name):
    kind = MODELS[name]
    model = kind(**SMALL.get(name, {})).fold()
    x = model.preprocess(torch.zeros(2, 50, 50, 3, dtype=torch.uint8))
    embedding = model.features(x)
    assert embedding.shape == (2, model.embedding_size)
    assert kind(**model.settings).settings == model.settings
    if hasattr(model, 'over_time'):
        output, state = model.advance(embedding, torch.ones(2), model.initial_state(2))
        assert state.shape == model.initial_state(2).shape
    else:
        output = model.head(embedding)
    assert output.levels.shape == (2, 4) and output.intensity.shape == (2,)
    assert model.levels_of(torch.tensor([0.0, 1.0])).argmax(1).tolist() == [0, 3]
    if hasattr(model, 'normalise'):  # what training needs
        assert model.normalise(torch.zeros(2, 50, 50)).shape == x.shape


# ---- the shipped weights


@pytest.fixture(scope='module')
def engine() -> AffectEngine:
    return AffectEngine(AffectSettings(device='cpu', threads=1, backend='torch'))


@pytest.fixture(scope='module')
def detector():
    return pytest.importorskip('dlib', reason='dlib is not installed').get_frontal_face_detector()


def largest_face(detector, rgb: np.ndarray) -> Box:
    found = detector(rgb, 0) or detector(rgb, 1)
    face = max(found, key=lambda r: r.area())
    return Box(face.left(), face.top(), face.width(), face.height())


FRESH = itertools.count()  # people whom the engine has never seen


def read(engine: AffectEngine, crops: list[np.ndarray]):
    tracks = tuple(Track(next(FRESH), Box(0, 0, 1, 1), 1.0, 0.0, crop) for crop in crops)
    return engine.step(TrackedFrame(0, 'camera', 1, 1, tracks)).faces


def live_crop(rgb: np.ndarray, box: Box) -> np.ndarray:
    settings = TrackerSettings()
    return face_crop(rgb, box, settings.crop_size, settings.crop_margin)


def test_the_smiling_astronaut_smiles_highly(engine, detector):
    data = pytest.importorskip('skimage.data', reason='scikit-image is not installed')
    rgb = np.ascontiguousarray(data.astronaut())
    (face,) = read(engine, [live_crop(rgb, largest_face(detector, rgb))])
    assert face.smile_level == SmileLevel.HIGH
    assert face.smile_intensity > 0.75


def test_a_face_box_that_is_a_little_off_changes_the_smile_little(engine, detector):
    data = pytest.importorskip('skimage.data', reason='scikit-image is not installed')
    rgb = np.ascontiguousarray(data.astronaut())
    box = largest_face(detector, rgb)
    (x, y), side = box.centre, box.width
    moved = [
        Box.around((x + dx * side, y + dy * side), side * zoom, side * zoom)
        for dx in (-0.06, 0, 0.06)
        for dy in (-0.06, 0, 0.06)
        for zoom in (0.92, 1, 1.08)
    ]
    intensities = [face.smile_intensity for face in read(engine, [live_crop(rgb, b) for b in moved])]
    assert min(intensities) > 0.6
    assert np.std(intensities) < 0.1


@pytest.mark.skipif(not (DATA / 'london').is_dir(), reason=f'needs the London set in {DATA}')
def test_smiling_people_rank_above_their_own_neutral_portrait(engine, detector):
    with open(DATA / 'london' / 'index.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['split'] == 'test']
    intensity = {}
    for row in rows:
        rgb = cv2.cvtColor(cv2.imread(str(DATA / 'london' / row['file'])), cv2.COLOR_BGR2RGB)
        (face,) = read(engine, [live_crop(rgb, largest_face(detector, rgb))])
        intensity[row['person'], row['expression']] = face.smile_intensity
    people = {person for person, _ in intensity}
    ordered = [p for p in people if intensity[p, 'smiling'] > intensity[p, 'neutral']]
    assert len(people) == 25
    assert len(ordered) >= 24
    assert np.median([intensity[p, 'neutral'] for p in people]) < 0.15
    assert np.median([intensity[p, 'smiling'] for p in people]) > 0.6


@pytest.mark.skipif(not (DATA / 'london').is_dir(), reason=f'needs the London set in {DATA}')
def test_a_smile_that_grows_is_read_as_growing_by_degrees(engine, detector):
    with open(DATA / 'london' / 'index.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['split'] == 'val']
    files = {(row['person'], row['expression']): str(DATA / 'london' / row['file']) for row in rows}
    ways = []
    for person in sorted({row['person'] for row in rows})[:6]:
        neutral, smiling = (
            cv2.cvtColor(cv2.imread(files[person, e]), cv2.COLOR_BGR2RGB) for e in ('neutral', 'smiling')
        )
        crops = morphed(neutral, smiling, largest_face(detector, neutral), 9, 96, 0.15)
        faces = read(engine, [np.ascontiguousarray(np.repeat(crop[..., None], 3, 2)) for crop in crops])
        ways.append([face.smile_intensity for face in faces])
    assert rank_correlation(np.array(ways)).mean() > 0.9
    assert np.mean((np.array(ways) > LEVEL_BOUNDS[0]) & (np.array(ways) < LEVEL_BOUNDS[2])) > 0.2


@pytest.mark.parametrize('name', [row['name'] for row in checkpoint.installed()])
def test_a_shipped_checkpoint_says_what_it_was_trained_on_and_how_it_scores(name):
    loaded = checkpoint.load(name)
    defaults = TrackerSettings()
    assert (loaded.crop_size, loaded.crop_margin) == (defaults.crop_size, defaults.crop_margin)
    assert loaded.path.stat().st_size < 25e6
    assert {'training', 'data', 'scores', 'terms'} <= loaded.header.keys()
    assert loaded.header['scores']['test']['lfw_auc']['value'] > (0.8 if name.endswith('_open') else 0.97)
    card = ROOT / 'docs' / 'models' / f'{name}.md'
    for measure in ('ferplus_auc', 'lfw_auc'):  # the card tells of these weights, not of older ones
        assert f'{loaded.header["scores"]["test"][measure]["value"]:.4f}' in card.read_text()
    assert 'CC-BY' in loaded.header['terms']['London']
