"""Training on a tiny synthetic set: reproducible, resumable, honest about what is wrong."""

import csv
import dataclasses
import json
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from builders.training import TINY, drawn_faces, drawn_sets, same_state
from conftest import DATA, ROOT, wait_until

from affect_perception.errors import ConfigError
from affect_perception.evaluation.metrics import bootstrap
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.checkpoint import read_safetensors
from affect_perception.models.smile_va import SmileVa
from affect_perception.training.data.batches import Batches
from affect_perception.training.data.face_sets import load_sets
from affect_perception.training.data.prepared_sets import write_prepared
from affect_perception.training.schedule import TrainingDiverged, one_cycle
from affect_perception.training.scoring import calibration
from affect_perception.training.settings import TrainingSettings, load_settings
from affect_perception.training.train import finite, fit, main, prepared

COEFFICIENT_NAMES = [f'c{i}' for i in range(46)]
COEFFICIENT_NAMES += [f'mouth{part}{side}' for part in ('Smile', 'UpperUp', 'LowerDown') for side in ('Left', 'Right')]


class SmallModel(SmileVa):
    """The default network, small enough for a test."""

    def __init__(self, channels=(4, 6, 8, 10), blocks=(1, 1, 1, 1), hidden=8, dropout=0.1):
        super().__init__(channels, blocks, hidden, dropout)


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    monkeypatch.setitem(MODELS, 'smile_va', SmallModel)


def test_a_resumed_run_ends_with_the_same_weights_as_an_uninterrupted_one(tmp_path):
    sets = drawn_sets()
    whole = fit(prepared(TINY), sets, tmp_path / 'whole.safetensors')
    file = tmp_path / 'state.safetensors'
    fit(prepared(TINY), sets, file, stop_after=5)  # killed at step 5; the last state was saved at step 3
    resumed = prepared(TINY)
    resumed.load(file)
    assert resumed.step == 3
    torch.manual_seed(99)  # chance in the new process is elsewhere
    fit(resumed, sets, file)
    assert same_state(whole, resumed)
    assert whole.history == resumed.history


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path):
    sets = drawn_sets()
    a, b = (fit(prepared(TINY), sets, tmp_path / 'a') for _ in range(2))
    c = fit(prepared(TINY.changed(seed=1)), sets, tmp_path / 'c')
    assert same_state(a, b)
    assert not same_state(a, c)


def test_training_learns_to_tell_drawn_smiles(tmp_path):
    settings = TINY.changed(epochs=30, ema=0.9, augmentation=0.2, save_every=1000)
    state = fit(prepared(settings), drawn_sets(), tmp_path / 'state')
    assert max(row['ferplus_auc'] for row in state.history) > 0.95
    assert max(row['london_pairs'] for row in state.history) > 0.8


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_batch(tmp_path, monkeypatch):
    sets = drawn_sets()
    sets['LFW']['train'].crops[:] = 0
    monkeypatch.setattr(SmallModel, 'features', lambda self, x: x.mean((1, 2, 3))[:, None] * torch.full((10,), np.nan))
    with pytest.raises(TrainingDiverged, match=r'the loss is nan at step 0, batch FER\+ \[.*LFW \[.*Morphs \['):
        fit(prepared(TINY), sets, tmp_path / 'state')


def test_resuming_with_other_settings_is_refused(tmp_path):
    fit(prepared(TINY), drawn_sets(), tmp_path / 'state', stop_after=3)
    with pytest.raises(ConfigError, match=r'was trained with learning_rate = 0.003, now it is 0.1'):
        prepared(TINY.changed(learning_rate=0.1)).load(tmp_path / 'state')


def test_every_picture_is_seen_once_before_any_is_seen_again():
    batches = Batches(drawn_sets(), TINY)
    seen = np.concatenate([batches.indices(step)['FER+'] for step in range(3)])
    assert sorted(seen) == list(range(24))


def test_a_batch_has_stills_then_morphs_then_pictures_without_a_face():
    batch = Batches(drawn_sets(), TINY).batch(7)
    morphs = TINY.london_persons * TINY.london_views
    assert len(batch.pictures) == 8 + 4 + 4 + morphs + TINY.no_face_batch
    assert (batch.person[16 : 16 + morphs] >= 0).all()
    assert (batch.person[:16] == -1).all()
    assert not batch.face[-TINY.no_face_batch :].any()
    assert batch.share[-TINY.no_face_batch :].isnan().all()
    assert batch.coefficients[16:].isnan().all()
    assert not batch.coefficients[:16].isnan().any()


def test_the_learning_rate_rises_to_its_height_and_falls_to_nothing():
    rates = [one_cycle(step, 100, TINY.warm_up, TINY.learning_rate) for step in range(100)]
    assert 0 < rates[0] < max(rates) == TINY.learning_rate
    assert rates.index(max(rates)) == 15
    assert rates[-1] < 0.01 * TINY.learning_rate


# ---- the whole command, on archives of the real layout


def write_data(root: Path, people: int = 6) -> Path:
    """The three sets as in ../shared/data, of drawn faces (London: of the astronaut, whom HOG finds)."""
    faces = drawn_faces(24, 0)
    votes = np.zeros((24, 10), np.uint8)
    votes[:, 0], votes[:, 1] = np.where(faces.smiling, 1, 9), np.where(faces.smiling, 9, 1)
    votes[0] = [0] * 8 + [1, 9]  # mostly "no face": to be left out
    names = ['neutral', 'happiness', 'surprise', 'sadness', 'anger', 'disgust', 'fear', 'contempt', 'unknown', 'NF']
    root.mkdir()
    np.savez(
        root / 'ferplus.npz',
        images=faces.crops,
        votes=votes,
        vote_names=np.array(names),
        split=np.arange(24) // 2 % 3,
        row=np.arange(24),
    )
    with zipfile.ZipFile(root / 'lfw_expressions.zip', 'w') as archive:
        lines = ['file,person,expression,split']
        for i, crop in enumerate(faces.crops):
            expression, split = 'happiness' if faces.smiling[i] else 'anger', ('train', 'val', 'test')[i // 2 % 3]
            lines.append(f'{i}.jpg,p{i // 2},{expression},{split}')
            archive.writestr(f'{i}.jpg', cv2.imencode('.jpg', cv2.resize(crop, (128, 128)))[1].tobytes())
        archive.writestr('index.csv', '\n'.join(lines))
    (root / 'london').mkdir()
    portrait = cv2.cvtColor(pytest.importorskip('skimage.data').astronaut(), cv2.COLOR_RGB2BGR)[:300, 100:400]
    with open(root / 'london' / 'index.csv', 'w', newline='') as file:
        rows = csv.writer(file)
        rows.writerow(['file', 'person', 'expression', 'split'])
        for person in range(people):
            for expression in ('neutral', 'smiling'):
                name = f'{person}_{expression}.jpg'
                cv2.imwrite(str(root / 'london' / name), portrait)
                rows.writerow([name, f'{person + 1:03d}', expression, ('train', 'val', 'test')[person % 3]])
    for name, suffix in (('diffusionfer', 'png'), ('portraits', 'jpg')):
        (root / name).mkdir()
        lines = ['file,valence,arousal,expression,split']
        for i, crop in enumerate(faces.crops):
            cv2.imwrite(str(root / name / f'{i}.{suffix}'), cv2.resize(crop, (96, 96)))
            expression, split = 'happy' if faces.smiling[i] else 'sad', 'val' if i % 3 == 2 else 'train'
            lines.append(f'{i}.{suffix},0.{i % 9},-0.{i % 7},{expression},{split}')
        (root / name / 'index.csv').write_text('\n'.join(lines))
    (root / 'teacher').mkdir()
    coefficients = np.random.default_rng(0).random((24, 52)).astype(np.float16)
    labels = {
        'names': np.array(COEFFICIENT_NAMES),
        'coefficients': coefficients,
        'box': np.tile([13, 13, 70, 70], (24, 1)),
    }
    np.savez(root / 'teacher' / 'ferplus.npz', key=np.arange(24), **labels)
    for name, suffix in (('lfw', 'jpg'), ('diffusionfer', 'png'), ('portraits', 'jpg')):
        np.savez(root / 'teacher' / f'{name}.npz', key=np.array([f'{i}.{suffix}' for i in range(24)]), **labels)
    keys = np.array([f'{person}_{e}.jpg' for person in range(people) for e in ('neutral', 'smiling')])
    london = {'names': labels['names'], 'coefficients': coefficients[: len(keys)]}
    np.savez(root / 'teacher' / 'london.npz', key=keys, **london)
    return root


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> Path:
    pytest.importorskip('dlib', reason='dlib is not installed')
    return write_data(tmp_path_factory.mktemp('sets') / 'data')


def write_config(folder: Path, **values) -> Path:
    path = folder / 'config.yaml'
    settings = dataclasses.asdict(TINY) | {'ferplus_batch': 4, 'lfw_batch': 4, 'epochs': 1} | values
    path.write_text(yaml.safe_dump(settings))
    return path


def test_the_command_writes_a_checkpoint_with_scores_and_ends_with_json(tmp_path, data, capsys, monkeypatch):
    monkeypatch.setattr(bootstrap, 'draw_groups', lambda groups, *_: np.zeros((2, groups), int))  # a minute less
    monkeypatch.setattr(calibration, 'CONFIDENCE_FILMS', 4)
    assert main(write_config(tmp_path, data=str(data)), tmp_path / 'out') == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    loaded = checkpoint.load(last['checkpoint'])
    assert loaded.header['scores'] == last['scores']
    assert last['scores']['test']['lfw_auc']['n'] == 8
    assert set(loaded.header['data']) == {'ferplus.npz', 'lfw_expressions.zip', 'london', 'diffusionfer', 'portraits'}
    assert loaded.header['training']['epochs'] == 1
    assert loaded.header['crop_size'] == 48
    assert main(write_config(tmp_path, data=str(data)), tmp_path / 'out', resume=True) == 0  # it was done: scored again


def test_a_score_without_a_finite_value_is_null_in_json():
    scores = {'onset': {'value': float('inf'), 'interval': [0.1, float('nan')], 'n': 3}}
    assert finite(scores) == {'onset': {'value': None, 'interval': [0.1, None], 'n': 3}}


@pytest.mark.slow
def test_the_command_killed_and_resumed_ends_with_the_weights_of_one_go(tmp_path):
    write_prepared(tmp_path / 'sets.npz', drawn_sets())
    values = {'prepared': str(tmp_path / 'sets.npz'), 'data': str(tmp_path / 'none'), 'film_epochs': 0, 'width': 0.1}
    config = write_config(tmp_path, **values, epochs=8, save_every=1)
    command = [sys.executable, '-m', 'affect_perception.cli', 'train', str(config), '--out']
    state = tmp_path / 'out' / 'state.safetensors'
    running = subprocess.Popen(
        [*command, str(state.parent)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_until(state.is_file, 200)
    finally:
        running.send_signal(signal.SIGKILL)
        running.wait()
    for more in ([*command, str(state.parent), '--resume'], [*command, str(tmp_path / 'whole')]):
        assert subprocess.run(more, cwd=ROOT, capture_output=True, timeout=200, check=False).returncode == 0
    resumed, whole = (read_safetensors(tmp_path / name / 'smile_va.safetensors')[0] for name in ('out', 'whole'))
    assert all(torch.equal(resumed[name], tensor) for name, tensor in whole.items())


def test_pictures_that_taggers_called_no_face_are_left_out(data):
    assert len(load_sets(TINY.changed(data=str(data)))['FER+']['train']) == 7


def test_a_missing_data_folder_is_refused_with_its_path(tmp_path):
    with pytest.raises(ConfigError, match=r'no data folder .*nowhere; start in the repository root'):
        main(write_config(tmp_path, data=str(tmp_path / 'nowhere')), tmp_path / 'out')


def test_a_missing_or_damaged_set_is_refused_with_its_path(tmp_path, data):
    with pytest.raises(ConfigError, match=r'the LFW set is not at .*other\.zip; put it there or set `lfw`'):
        load_sets(TINY.changed(data=str(data), lfw='other.zip'))
    broken = write_data(tmp_path / 'broken', people=3)
    (broken / 'lfw_expressions.zip').write_bytes(b'no archive')
    with pytest.raises(ConfigError, match='cannot read the LFW set at'):
        load_sets(TINY.changed(data=str(broken)))
    (broken / 'ferplus.npz').write_bytes(b'no archive')
    with pytest.raises(ConfigError, match=r'cannot read the FER\+ set at'):
        load_sets(TINY.changed(data=str(broken)))


def test_bad_training_files_are_refused(tmp_path):
    with pytest.raises(ConfigError, match='cannot read training file'):
        load_settings(tmp_path / 'nothing.yaml')
    for content, complaint in (
        ('epochs: [', 'is not YAML'),
        ('- a\n- b', 'holds a list'),
        ('epoch: 3', "no setting 'epoch'"),
        ('epochs: 0', 'epochs = 0 is out of range'),
        ('learning_rate: fast', "learning_rate = 'fast'"),
    ):
        (tmp_path / 'bad.yaml').write_text(content)
        with pytest.raises(ConfigError, match=complaint):
            load_settings(tmp_path / 'bad.yaml')


def test_an_unknown_network_an_absent_device_and_nothing_to_resume_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no network 'vgg'; choose one of"):
        prepared(TINY.changed(model='vgg'))
    with pytest.raises(ConfigError, match="'tpu7' cannot be used"):
        prepared(TINY.changed(device='tpu7'))
    with pytest.raises(ConfigError, match='no run to resume at'):
        main(write_config(tmp_path), tmp_path / 'out', resume=True)


def test_the_training_file_in_the_repository_is_valid():
    assert load_settings(ROOT / 'config' / 'training' / 'smile_va_wide.yaml').name == 'smile_va_wide'


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason=f'needs the shared sets in {DATA}')
def test_the_real_sets_load_with_no_person_in_two_splits():
    sets = load_sets(TrainingSettings(data=str(DATA), limit=12))
    for name, faces in sets.items():
        persons = [set(split.person) for split in faces.values()]
        assert not (persons[0] & persons[1])
        assert not (persons[0] & persons[2])
        assert not (persons[1] & persons[2])
        if name == 'Morphs':
            assert all(split.crops.shape[1:] == (17, 96, 96) for split in faces.values())
            continue
        assert all(split.crops.shape[1:] == (96, 96) for split in faces.values())
        if name in ('FER+', 'LFW', 'London'):  # the first of DiffusionFER are all neutral; Portraits have no votes
            assert all(0.05 < split.smiling.mean() < 0.95 for split in faces.values()), name
