"""Strength and intensity targets from the teacher's coefficients; the file of prepared sets."""

import numpy as np
import pytest
from builders.training import drawn_sets

from affect_perception.errors import ConfigError
from affect_perception.training.data import strength
from affect_perception.training.data.prepared_sets import read_prepared, write_prepared

NAMES = [f'mouth{part}{side}' for part in ('Smile', 'UpperUp', 'LowerDown') for side in ('Left', 'Right')]


def test_strength_is_the_pull_of_the_corners_times_the_teeth_shown():
    rows = np.array([[0.5, 0.7, 0, 0, 0, 0], [0.5, 0.7, 0.2, 0.4, 0.1, 0.1], [0, 0, 1, 1, 1, 1]], float)
    assert strength.raw_strength(rows, NAMES) == pytest.approx([0.6, 0.6 * 1.4, 0])


def test_graded_strength_presence_and_intensity_rise_and_stay_in_range():
    raw = np.linspace(0, 3, 61)
    graded, presence = strength.graded(raw), strength.presence_of(raw)
    intensity = strength.intensity_of(presence, graded)
    for values in (graded, presence, intensity):
        assert values.min() == 0
        assert values.max() == 1
        assert (np.diff(values) >= 0).all()
    assert np.isnan(strength.graded(np.array([np.nan]))).all()


def test_every_london_person_has_a_strength_at_every_fraction_and_an_unknown_one_is_named():
    found = strength.morph_strengths(np.array(['001', '002']), np.linspace(0, 1, 17))
    assert found.shape == (2, 17)
    assert (np.diff(found, axis=1) >= 0).all()
    with pytest.raises(ConfigError, match='no row for London person 999'):
        strength.morph_strengths(np.array(['999']), np.linspace(0, 1, 3))


def test_absent_labels_are_refused_with_how_to_make_them(tmp_path):
    with pytest.raises(ConfigError, match=r'make them with .*teacher_labels\.py'):
        strength.read_labels(tmp_path, 'ferplus')


def test_prepared_sets_come_back_with_their_labels_and_nearly_their_pictures(tmp_path):
    sets = drawn_sets()
    write_prepared(tmp_path / 'sets.npz', sets)
    again = read_prepared(tmp_path / 'sets.npz')
    assert again.keys() == sets.keys()
    assert list(again['LFW']) == ['train', 'val', 'test']
    for name in ('FER+', 'Morphs', 'Portraits'):
        was, now = sets[name]['val'], again[name]['val']
        assert now.crops.shape == was.crops.shape
        assert now.crops.dtype == np.uint8
        assert np.abs(now.crops.astype(int) - was.crops).mean() < 8
        assert (now.person == was.person).all()
        assert np.allclose(now.raw, was.raw)
    (tmp_path / 'bad.npz').write_bytes(b'nothing')
    with pytest.raises(ConfigError, match='is no file of prepared sets'):
        read_prepared(tmp_path / 'bad.npz')
