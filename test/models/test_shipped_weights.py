"""Shipped checkpoints on real faces: smiles, small box errors, portrait pairs, morphs; agreement with model cards."""

import csv
import itertools

import cv2
import numpy as np
import pytest
from conftest import DATA, ROOT

from affect_perception.core.images.crops import face_crop
from affect_perception.evaluation.metrics.predictions import rank_correlation
from affect_perception.inference.engine import AffectEngine
from affect_perception.models import checkpoint
from affect_perception.settings import AffectSettings, TrackerSettings
from affect_perception.training.synthetic.morphs import morphed
from affect_perception.types import LEVEL_BOUNDS, Box, SmileLevel, Track, TrackedFrame


@pytest.fixture(scope='module')
def engine() -> AffectEngine:
    return AffectEngine(AffectSettings(device='cpu', threads=1, backend='torch'))


@pytest.fixture(scope='module')
def detector():
    return pytest.importorskip('dlib', reason='dlib is not installed').get_frontal_face_detector()


def largest_face(detector, rgb: np.ndarray) -> Box:
    detections = detector(rgb, 0) or detector(rgb, 1)
    face = max(detections, key=lambda r: r.area())
    return Box(face.left(), face.top(), face.width(), face.height())


FRESH_IDS = itertools.count()  # track ids without recurrent state


def read(engine: AffectEngine, crops: list[np.ndarray]):
    tracks = tuple(Track(next(FRESH_IDS), Box(0, 0, 1, 1), 1.0, 0.0, crop) for crop in crops)
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


@pytest.mark.data
@pytest.mark.slow
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
    assert np.isnan(list(intensity.values())).sum() <= 2  # too unsure for a level
    assert np.nanmedian([intensity[p, 'neutral'] for p in people]) < 0.15
    assert (
        np.nanmedian([intensity[p, 'smiling'] for p in people]) > 0.3
    )  # absolute: half of these portraits hardly smile


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not (DATA / 'london').is_dir(), reason=f'needs the London set in {DATA}')
def test_a_smile_that_grows_is_read_as_growing_by_degrees(engine, detector):
    with open(DATA / 'london' / 'index.csv', newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['split'] == 'val']
    files = {(row['person'], row['expression']): str(DATA / 'london' / row['file']) for row in rows}
    sequences = []
    for person in sorted({row['person'] for row in rows})[:6]:
        neutral, smiling = (
            cv2.cvtColor(cv2.imread(files[person, e]), cv2.COLOR_BGR2RGB) for e in ('neutral', 'smiling')
        )
        crops = morphed(neutral, smiling, largest_face(detector, neutral), 9, 96, 0.15)
        faces = read(engine, [np.ascontiguousarray(np.repeat(crop[..., None], 3, 2)) for crop in crops])
        sequences.append([face.smile_intensity for face in faces])
    assert rank_correlation(np.array(sequences)).mean() > 0.9
    assert np.mean((np.array(sequences) > LEVEL_BOUNDS[0]) & (np.array(sequences) < LEVEL_BOUNDS[2])) > 0.2


@pytest.mark.parametrize('name', [row['name'] for row in checkpoint.installed()])
def test_a_shipped_checkpoint_has_training_data_scores_and_terms_in_its_header_and_model_card(name):
    loaded = checkpoint.load(name)
    defaults = TrackerSettings()
    assert (loaded.crop_size, loaded.crop_margin) == (defaults.crop_size, defaults.crop_margin)
    assert loaded.path.stat().st_size < 25e6
    assert {'training', 'data', 'scores', 'terms'} <= loaded.header.keys()
    assert loaded.header['scores']['test']['lfw_auc']['value'] > (0.8 if name.endswith('_open') else 0.97)
    card = ROOT / 'docs' / 'models' / f'{name}.md'
    for measure in ('ferplus_auc', 'lfw_auc'):  # the card is about these weights, not older ones
        assert f'{loaded.header["scores"]["test"][measure]["value"]:.4f}' in card.read_text()
    assert 'CC-BY' in loaded.header['terms']['London']
