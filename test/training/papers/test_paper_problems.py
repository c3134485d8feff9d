"""Unusable training files, prepared sets and weights for the papers' networks: refused, or skipped and told."""

import json
import logging

import numpy as np
import pytest
import torch
import yaml
from builders.prepared import NETWORKS, write_config, write_prepared

from affect_perception.errors import ConfigError
from affect_perception.models import MODELS, checkpoint
from affect_perception.training.papers import clip_data
from affect_perception.training.papers.settings import PaperSettings
from affect_perception.training.papers.stages import begin_from, stages_of
from affect_perception.training.papers.train_paper import train


def settings_of(path) -> PaperSettings:
    return PaperSettings.read(yaml.safe_load(path.read_text()), path)


def test_a_person_in_two_splits_is_refused_with_both_clips(tmp_path):
    data = write_prepared(tmp_path / 'data', {'train': 'ab', 'val': 'c', 'test': 'da'})
    with pytest.raises(ConfigError, match=r"person 'a' is in train \(train-a-0\) and in test \(test-a-1\)"):
        train(settings_of(write_config(tmp_path, 'witzig2019', data)), tmp_path / 'run')


def test_a_set_without_the_labels_of_the_network_is_refused_with_those_it_has(tmp_path):
    data = write_prepared(tmp_path / 'data', quantities=('smile',))
    with pytest.raises(ConfigError, match='no labels of valence; it has smile'):
        train(settings_of(write_config(tmp_path, 'parthasarathy2020', data)), tmp_path / 'run')


@pytest.mark.parametrize('break_it', ['shard', 'incomplete', 'folder', 'split'])
def test_missing_parts_of_a_prepared_set_are_refused(tmp_path, break_it):
    data = write_prepared(tmp_path / 'data', {'train': 'ab'} if break_it == 'split' else None)
    about = json.loads((data / 'dataset.json').read_text())
    if break_it == 'shard':
        (data / 'val-00000.npz').unlink()
    elif break_it == 'incomplete':
        (data / 'dataset.json').write_text(json.dumps(about | {'complete': False}))
    wanted = {'shard': 'cannot be read', 'incomplete': 'not complete', 'folder': 'no prepared data set', 'split': 'val'}
    config = write_config(tmp_path, 'witzig2019', tmp_path / 'other' if break_it == 'folder' else data)
    with pytest.raises(ConfigError, match=wanted[break_it]):
        train(settings_of(config), tmp_path / 'run')


def test_a_class_without_samples_is_told_and_a_single_class_refused(tmp_path, caplog):
    data = write_prepared(tmp_path / 'data')
    settings = settings_of(write_config(tmp_path, 'witzig2019', data))
    part = clip_data.load(str(data), 'train', settings.make(), settings)
    part.targets['levels'][part.targets['levels'] == 3] = 2
    with caplog.at_level(logging.WARNING):
        counts = clip_data.class_report(part)
    assert 'No training sample of high' in caplog.text
    assert counts['levels']['high'] == 0
    part.targets['levels'][:] = 0
    with pytest.raises(ConfigError, match='fewer than two classes'):
        clip_data.class_report(part)


def test_clips_shorter_than_the_window_are_left_out_and_none_at_all_refused(tmp_path):
    data = write_prepared(tmp_path / 'data', frames=12)
    with pytest.raises(ConfigError, match='20 successive crops'):
        train(settings_of(write_config(tmp_path, 'witzig2019', data)), tmp_path / 'run')


def test_windows_without_any_label_are_left_out_and_counted(tmp_path, caplog):
    data = write_prepared(tmp_path / 'data', smile=np.nan)
    settings = settings_of(write_config(tmp_path, 'witzig2019', data))
    with pytest.raises(ConfigError, match='no labelled sample for Witzig2019'):
        clip_data.load(str(data), 'train', settings.make(), settings)


def test_unlabelled_frames_become_minus_one_and_expressions_keep_their_names(tmp_path):
    data = write_prepared(tmp_path / 'data')
    settings = settings_of(write_config(tmp_path, 'vielzeuf2018', data)) if _torchvision() else None
    names = ('happiness', 'anger')
    theirs = ('neutral', 'anger', 'disgust', 'fear', 'happiness')
    found = clip_data._by_name(torch.tensor([0.0, 1.0, 4.0, torch.nan]), theirs, names)
    assert found.tolist() == [-1, 1, 0, -1]
    assert (
        settings is None or clip_data.load(str(data), 'val', settings.make(), settings).targets['expression'].min() >= 0
    )


def _torchvision() -> bool:
    import importlib.util

    return importlib.util.find_spec('torchvision') is not None


@pytest.mark.parametrize('problem', ['absent', 'damaged', 'width', 'numbers'])
def test_sound_that_does_not_fit_is_refused_with_the_file(tmp_path, problem):
    data = write_prepared(tmp_path / 'data')
    for path in (data / 'audio').glob('train-*'):
        if problem == 'absent':
            path.unlink()
        elif problem == 'damaged':
            path.write_bytes(b'no array')
        else:
            np.save(path, np.ones((20, 5)) if problem == 'width' else np.full((20, 4), np.nan))
    wanted = {'absent': 'cannot be read', 'damaged': 'cannot be read', 'width': 'sound of 5', 'numbers': 'finite'}
    with pytest.raises(ConfigError, match=wanted[problem]):
        train(settings_of(write_config(tmp_path, 'parthasarathy2020', data)), tmp_path / 'run')


def test_a_clip_has_the_functionals_before_its_last_image_of_the_window_of_the_network(tmp_path):
    pytest.importorskip('torchvision', reason='needs torchvision (pip install affect-perception[papers])')
    from affect_perception.training.papers.clip_sound import sound_statistics

    data = write_prepared(tmp_path / 'data')
    about = json.loads((data / 'dataset.json').read_text())
    about['audio'] |= {'features': 'is10_functionals', 'window_s': 4.0}
    (data / 'dataset.json').write_text(json.dumps(about))
    settings = settings_of(write_config(tmp_path, 'vielzeuf2018', data, {'audio': 4, 'window_s': 4.0}))
    part = clip_data.load(str(data), 'val', settings.make(), settings)
    sequence = part.data.sequences[part.clip[0]]
    features = np.load(data / sequence.audio_features)
    np.testing.assert_allclose(part.sound[0], features[part.data.frame[part.rows[0, -1]]], rtol=1e-6)
    header = sound_statistics(part, settings.make())
    assert header['names'] == about['audio']['names']
    assert header['features'] == 'is10_functionals'
    other = settings_of(write_config(tmp_path, 'vielzeuf2018', data, {'audio': 4, 'window_s': 2.0}))
    with pytest.raises(ConfigError, match=r'functionals of 4.0 s, and the network reads 2.0 s'):
        clip_data.load(str(data), 'val', other.make(), other)


def test_weights_of_another_network_are_refused_with_what_is_missing_extra_and_different(tmp_path, caplog):
    other = MODELS['aspandi2020'](**NETWORKS['aspandi2020'])
    path = tmp_path / 'other.safetensors'
    checkpoint.save(path, other, 'aspandi2020', crop_size=32, crop_margin=0.2)
    model = MODELS['witzig2019'](**NETWORKS['witzig2019'])
    with pytest.raises(ConfigError, match=r'shares no tensor .* missing: cnn.0.bias, .* extra: discriminator'):
        begin_from(model, str(path))
    checkpoint.save(path, MODELS['witzig2019'](width=1 / 16, hidden=4), 'witzig2019', crop_size=32, crop_margin=0.2)
    with caplog.at_level(logging.INFO):
        begin_from(model, str(path))
    assert 'of another shape: head.weight (4, 4) for (4, 8)' in caplog.text


@pytest.mark.parametrize(
    ('values', 'wanted'),
    [
        ({'network': {'colour': 3}}, 'cannot use'),
        ({'network': 'wide'}, 'wanted lines'),
        ({'data': ''}, 'names no data'),
        ({'epoch': 3}, "no setting 'epoch'"),
        ({'stages': 'second:3'}, "no stage 'second'"),
        ({'stages': 'all:many'}, 'wanted NAME:EPOCHS'),
    ],
)
def test_bad_training_files_are_refused(tmp_path, values, wanted):
    path = tmp_path / 'bad.yaml'
    given = {'model': 'witzig2019', 'data': 'x'} | values
    with pytest.raises(ConfigError, match=wanted):
        stages_of(PaperSettings.read(given, path))


def test_stages_in_another_order_and_left_out_ones_are_refused():
    settings = PaperSettings(model='aspandi2020', data='x')
    with pytest.raises(ConfigError, match='in the order'):
        stages_of(settings.changed(stages='aeg_cd:1,disc:1'))
    with pytest.raises(ConfigError, match='leave none out'):
        stages_of(settings.changed(stages='disc:1,aeg_cd_sz:1'))


def test_nothing_to_resume_is_refused(tmp_path):
    data = write_prepared(tmp_path / 'data')
    with pytest.raises(ConfigError, match='no run to resume'):
        train(settings_of(write_config(tmp_path, 'witzig2019', data)), tmp_path / 'run', resume=True)


def test_the_training_files_in_the_repository_are_valid():
    from conftest import ROOT

    files = sorted((ROOT / 'config' / 'papers').glob('*.yaml'))
    assert len(files) == 11
    for path in files:
        values = yaml.safe_load(path.read_text())
        if MODELS[values['model']].__name__ in ('Qian2023', 'Vielzeuf2018') and not _torchvision():
            continue
        with torch.device('meta'):
            assert stages_of(PaperSettings.read(values, path))
