"""Generated voice, and clips of the picture sets in the prepared form."""

import numpy as np
import pytest
from conftest import DATA

from affect_perception.datasets.prepared import PreparedDataset
from affect_perception.errors import ConfigError
from affect_perception.training.papers.clip_data import check_person_splits
from affect_perception.training.synthetic import sound
from affect_perception.training.synthetic.generated_clips import QUANTITIES, Plan, generate


def voices(valence: float, arousal: float, count: int = 12) -> np.ndarray:
    """Mean descriptors (16,) of voices of one valence and arousal."""
    found = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        samples, pitch = sound.voice(rng, np.full(10, valence), np.full(10, arousal), 10.0)
        found.append(sound.descriptors(samples, 10, pitch).mean(0))
    return np.mean(found, 0)


def test_an_excited_voice_is_louder_and_higher_and_a_pleased_one_brighter():
    names = list(sound.DESCRIPTORS)
    calm, excited, pleased = voices(0, -0.5), voices(0, 0.5), voices(0.6, -0.5)
    assert excited[names.index('energy')] > calm[names.index('energy')]
    assert excited[names.index('pitch')] > calm[names.index('pitch')]
    tilt = [v[names.index('band_8')] - v[names.index('band_3')] for v in (pleased, calm)]
    assert tilt[0] > tilt[1]
    assert calm.shape == (len(names),)


def test_a_folder_of_something_else_and_absent_sets_are_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'no lfw_expressions\.zip'):
        generate(tmp_path, tmp_path / 'out', Plan())


@pytest.mark.slow  # reads and crops the whole sets
@pytest.mark.skipif(not DATA.is_dir(), reason=f'needs the shared sets in {DATA}')
def test_generated_clips_have_every_label_and_sound_and_no_person_in_two_splits(tmp_path):
    about = generate(DATA, tmp_path / 'out', Plan(frames=4, films=1, held=2, cuts=2))
    assert tuple(about['quantities']) == QUANTITIES
    check_person_splits(str(tmp_path / 'out'))
    data = PreparedDataset(tmp_path / 'out', 'test')
    assert not np.isnan(data.labels).any()
    assert all(np.load(data.root / s.audio_features).shape == (4, 16) for s in data.sequences)
    assert data.class_counts('smile')['high'] > 0
