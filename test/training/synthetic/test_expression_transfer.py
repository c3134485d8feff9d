"""One person's smile on the face of somebody else, for training."""

import cv2
import numpy as np
import pytest

pytest.importorskip('torch')
pytest.importorskip('dlib', reason='needs dlib (extra `cnn`) for eyes and nose')

from affect_perception.errors import ConfigError
from affect_perception.training.data.face_sets import Faces, affect_of, class_votes
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic import expression_transfer as made
from affect_perception.training.synthetic.morphs import Morphs, morphed
from affect_perception.types import Box

SIDE, MARGIN = 96, 0.15


@pytest.fixture(scope='module')
def astronaut() -> Morphs:
    """The astronaut's mouth pulled wide, as a morph of 9 steps."""
    portrait = pytest.importorskip('skimage.data').astronaut()[:300, 100:400]
    y, x = np.mgrid[:300, :300].astype(np.float32)
    near = np.exp(-(((x - 124) / 30) ** 2) - ((y - 141) / 16) ** 2)
    wide = cv2.remap(portrait, x - 0.25 * (x - 124) * near, y, cv2.INTER_LINEAR)
    crops = morphed(portrait, wide, Box(73.5, 79, 93, 93), 9, SIDE, MARGIN)
    return Morphs(crops[None], np.array(['astronaut']), np.array([50.0]), np.linspace(0, 1, 9)[None])


def photographs(crops: list[np.ndarray], expression: str = 'neutral') -> Faces:
    votes = np.tile(class_votes(expression), (len(crops), 1)).astype(np.float32)
    share = votes[:, 1]
    person, nothing = np.array([str(i) for i in range(len(crops))]), np.full((len(crops), 53), np.nan)
    return Faces(np.stack(crops), share, person, votes, affect_of(votes), nothing[:, :52], nothing[:, 52])


@pytest.fixture
def neutral(astronaut) -> list[np.ndarray]:
    """Portraits of one woman as three strangers: darker, moved, and smaller."""
    face = astronaut.crops[0, 0]
    moves = [np.float32([[s, 0, d], [0, s, d]]) for s, d in ((1, 0), (1, 3), (0.9, 5))]
    return [np.uint8(0.7 * cv2.warpAffine(face, m, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)) for m in moves]


def test_a_stranger_begins_as_photographed_and_smiles_step_by_step_with_the_mouth_only(astronaut, neutral):
    people = made.strangers([photographs(neutral)], astronaut, 3, MARGIN, 0)
    assert people.crops.shape == (3, 9, SIDE, SIDE)
    assert len(set(people.person)) == 3
    starts = {face.tobytes() for face in people.crops[:, 0]}
    assert starts == {face.tobytes() for face in neutral}
    change = np.abs(people.crops.astype(np.float32) - people.crops[:, :1])
    mouth, forehead = change[:, :, 55:80, 20:76].mean((2, 3)), change[:, :, :15].mean((2, 3))
    assert (np.diff(mouth) > 0).all()
    assert (mouth[:, -1] > 1).all()
    assert forehead.max() < 0.1


def test_the_own_smile_put_on_the_own_face_is_the_own_smile(astronaut):
    person = astronaut.crops[0]
    smile = made.smile_of(person, np.zeros((5, 2), np.float32))
    again = made.with_smile(person[0], smile, np.eye(2, 3), np.array([1.0]))[0]
    mouth = slice(55, 80), slice(20, 76)
    apart, changed = (np.abs(np.float32(other) - person[-1])[mouth].mean() for other in (again, person[0]))
    assert apart < 0.35 * changed


def test_a_face_that_is_turned_or_tilted_gets_no_smile():
    straight = np.float32([[70, 40], [58, 40], [28, 40], [40, 40], [49, 60]])
    assert made.laid_on(straight, straight + 2, SIDE) is not None
    turned = straight + np.float32([[0, 0], [0, 0], [0, 0], [0, 0], [12, 0]])
    tilted = (straight - 48) @ np.float32([[0.9, 0.43], [-0.43, 0.9]]) + 48
    assert made.laid_on(straight, turned, SIDE) is None
    assert made.laid_on(straight, tilted, SIDE) is None
    assert made.laid_on(straight, 0.5 * straight, SIDE) is None


def test_too_few_neutral_faces_are_refused_with_how_many_there_are(astronaut, neutral):
    happy = photographs(neutral, 'happiness')
    with pytest.raises(ConfigError, match='only 3 neutral faces fit a smile; set `strangers` to at most that, not 4'):
        made.strangers([photographs(neutral), happy], astronaut, 4, MARGIN, 0)


def test_strangers_join_the_training_split_only_and_half_of_it_stay_the_persons(astronaut, neutral):
    sets = {
        name: {split: photographs(neutral) for split in ('train', 'val')}
        for name in ('FER+', 'LFW', 'DiffusionFER', 'Portraits')
    }
    sets['Morphs'] = {'train': astronaut, 'val': astronaut}
    settings = TrainingSettings(strangers=3, crop_size=SIDE, crop_margin=MARGIN)
    assert made.with_strangers(sets, settings.changed(strangers=0)) is sets
    joined = made.with_strangers(sets, settings)['Morphs']
    assert joined['val'] is astronaut
    assert len(joined['train']) == 6
    assert list(joined['train'].person).count('astronaut') == 3
