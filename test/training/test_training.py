"""Training on a tiny synthetic set: reproducible, resumable, honest about what is wrong; and the parts of it."""

import csv
import dataclasses
import json
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import yaml
from builders.training import TINY, drawn_faces, drawn_sets, same_state
from conftest import DATA, ROOT

from affect_perception.errors import ConfigError
from affect_perception.evaluation.metrics import bootstrap, predictions
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.smile_va import AffectHead, SmileVa
from affect_perception.training.data.augmentation import augmented, geometry, jpeg, lit_from_one_side, low_resolution
from affect_perception.training.data.batches import Batches
from affect_perception.training.data.face_sets import load_sets
from affect_perception.training.losses import ranking_loss, smile_loss
from affect_perception.training.schedule import TrainingDiverged, one_cycle
from affect_perception.training.scoring import temporal_report
from affect_perception.training.settings import TrainingSettings, load_settings
from affect_perception.training.synthetic.morphs import morphed, same_face, with_other_mouth
from affect_perception.training.train import fit, main, prepared
from affect_perception.types import Box

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
    assert (batch.person[16 : 16 + morphs] >= 0).all() and (batch.person[:16] == -1).all()
    assert not batch.face[-TINY.no_face_batch :].any() and batch.share[-TINY.no_face_batch :].isnan().all()
    assert batch.coefficients[16:].isnan().all() and not batch.coefficients[:16].isnan().any()


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
            lines.append(
                f'{i}.{suffix},0.{i % 9},-0.{i % 7},{"happy" if faces.smiling[i] else "sad"},{("train", "val")[i % 3 == 2]}'
            )
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
    monkeypatch.setattr(temporal_report, 'CONFIDENCE_FILMS', 4)
    assert main(write_config(tmp_path, data=str(data)), tmp_path / 'out') == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    loaded = checkpoint.load(last['checkpoint'])
    assert loaded.header['scores'] == last['scores']
    assert last['scores']['test']['lfw_auc']['n'] == 8
    assert set(loaded.header['data']) == {'ferplus.npz', 'lfw_expressions.zip', 'london', 'diffusionfer', 'portraits'}
    assert loaded.header['training']['epochs'] == 1 and loaded.header['crop_size'] == 48
    assert main(write_config(tmp_path, data=str(data)), tmp_path / 'out', resume=True) == 0  # it was done: scored again


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


@pytest.mark.skipif(not DATA.is_dir(), reason=f'needs the shared sets in {DATA}')
def test_the_real_sets_load_with_no_person_in_two_splits():
    sets = load_sets(TrainingSettings(data=str(DATA), limit=40))
    for name, faces in sets.items():
        persons = [set(split.person) for split in faces.values()]
        assert not (persons[0] & persons[1] or persons[0] & persons[2] or persons[1] & persons[2])
        if name == 'Morphs':
            assert all(split.crops.shape[1:] == (17, 96, 96) for split in faces.values())
            continue
        assert all(split.crops.shape[1:] == (96, 96) and 0.05 < split.smiling.mean() < 0.95 for split in faces.values())


# ---- augmentation, losses and scores


def test_augmentation_is_a_function_of_its_seed_and_stays_a_picture():
    pictures = torch.from_numpy(drawn_faces(16, 0).crops).float()
    a, b, c = (augmented(pictures, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(a, b) and not torch.equal(a, c)
    assert a.shape == pictures.shape and a.min() >= 0 and a.max() <= 255
    assert torch.equal(augmented(pictures, torch.Generator(), strength=0), pictures)


def test_geometry_with_nothing_to_do_keeps_the_picture_and_flip_mirrors_it():
    x, zero, one = torch.rand(2, 48, 48) * 255, torch.zeros(2), torch.ones(2)
    flip = torch.tensor([False, True])
    same, mirrored = geometry(x, zero, one, zero, zero, flip)
    torch.testing.assert_close(same, x[0], atol=0.05, rtol=0)
    torch.testing.assert_close(mirrored, x[1].flip(1), atol=0.05, rtol=0)


def test_jpeg_loses_more_the_coarser_it_is_and_low_resolution_loses_detail():
    x = torch.from_numpy(drawn_faces(2, 0).crops).float()
    fine, coarse = ((jpeg(x, torch.full((2,), c)) - x).abs().mean() for c in (0.05, 4.0))
    assert fine < 1 < coarse < 20
    assert low_resolution(x, 12).diff(dim=1).abs().max() < x.diff(dim=1).abs().max()


def test_light_from_one_side_darkens_only_and_only_some():
    x = torch.full((3, 48, 48), 200.0)
    lit = lit_from_one_side(x, torch.tensor([0, 2]), torch.Generator().manual_seed(0))
    assert torch.equal(lit[1], x[1])
    assert (lit <= x).all() and (lit[[0, 2]].amin((1, 2)) < 175).all()


def test_ranking_loss_falls_as_the_order_of_smiling_faces_becomes_right():
    share, strength, clear = (
        torch.tensor([0.9, 0.9, 0.9, 0.1]),
        torch.tensor([0.1, 0.5, 0.9, 0.9]),
        torch.ones(4).bool(),
    )
    right, wrong = (ranking_loss(torch.tensor(x), share, strength, clear) for x in ([-2.0, 0, 2, 0], [2.0, 0, -2, 0]))
    assert 0 < right < 0.1 * wrong
    assert right == ranking_loss(torch.tensor([-2.0, 0, 2, 9]), share, strength, clear)  # the last does not smile
    assert ranking_loss(torch.zeros(4), share, strength.fill_(float('nan')), clear) == 0


def test_smile_loss_is_least_for_presence_and_strength_as_labelled_and_counts_no_unclear_picture():
    head, settings = AffectHead(4), TINY
    share, strength = torch.tensor([0.9, 0.05]), torch.tensor([0.6, 0.02])
    raw = torch.zeros(2, 13)
    raw[:, 0], raw[:, 1] = torch.logit(share), torch.logit(strength)
    clear = torch.ones(2).bool()
    best = smile_loss(head.read(raw), share, strength, clear, settings)
    for place in (0, 1):
        off = raw.clone()
        off[0, place] += 1.0
        assert smile_loss(head.read(off), share, strength, clear, settings) > best
    assert smile_loss(head.read(raw + 3), share, strength, ~clear, settings) == 0


def test_rank_correlation_by_hand():
    score = np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [1.0, 3.0, 2.0], [5.0, 5.0, 5.0], [1.0, 1.0, 2.0]])
    np.testing.assert_allclose(predictions.rank_correlation(score), [1, -1, 0.5, 0, np.sqrt(0.75)])


# ---- morphs


@pytest.fixture(scope='module')
def portraits() -> tuple[np.ndarray, np.ndarray]:
    """The astronaut twice, the second time with a mouth pulled wide and, as by a detector, in another place."""
    portrait = pytest.importorskip('skimage.data').astronaut()[:300, 100:400]
    y, x = np.mgrid[:300, :300].astype(np.float32)
    near = np.exp(-(((x - 124) / 30) ** 2) - ((y - 141) / 16) ** 2)
    wide = cv2.remap(portrait, x - 0.25 * (x - 124) * near, y, cv2.INTER_LINEAR)
    return portrait, np.roll(wide, (12, -9), (0, 1))


ASTRONAUT = Box(73.5, 79, 93, 93)


def test_a_face_is_found_again_where_the_second_portrait_has_it(portraits):
    found = same_face(*portraits, ASTRONAUT)
    assert abs(found.x - (ASTRONAUT.x - 9)) <= 1 and abs(found.y - (ASTRONAUT.y + 12)) <= 1
    assert (found.width, found.height) == (ASTRONAUT.width, ASTRONAUT.height)


def test_a_morph_goes_from_one_portrait_to_the_other_step_by_step(portraits):
    crops = morphed(*portraits, ASTRONAUT, 5, 96, 0.15).astype(np.float32)
    from_first = np.abs(crops - crops[0])[:, 55:80, 20:76].mean((1, 2))
    assert crops.shape == (5, 96, 96)
    assert (np.diff(from_first) > 0).all() and from_first[-1] > 3
    assert np.abs(crops - crops[0])[:, 15:45, 20:76].mean() < 2.5  # eyes stay eyes


def test_another_mouth_changes_the_mouth_only():
    face, mouth = np.full((48, 48), 200, np.uint8), np.full((48, 48), 50, np.uint8)
    for spread in (0, 0.5, 1):
        mixed = with_other_mouth(face, mouth, spread)
        assert mixed[33, 24] == 50 and (mixed[:16] == 200).all()
    assert (with_other_mouth(face, mouth, 1) < 200).sum() > (with_other_mouth(face, mouth, 0) < 200).sum()


def test_auc_by_hand():
    positive = np.array([False, False, True, True])
    assert predictions.auc(np.array([0.1, 0.4, 0.35, 0.8]), positive) == 0.75
    assert predictions.auc(np.zeros(4), positive) == 0.5
    assert np.isnan(predictions.auc(np.zeros(2), np.array([True, True])))


def test_calibration_error_and_f1_by_hand():
    assert predictions.calibration_error(np.array([0.9, 0.9, 1.0]), np.array([1.0, 0.8, 0.7])) == pytest.approx(0.1)
    assert predictions.macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1])) == pytest.approx(2 / 3)


def test_an_interval_holds_the_value_and_is_wider_when_few_persons_have_many_pictures():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=40), 10)

    def width(groups):
        low, high = predictions.interval(lambda i: float(values[i].mean()), groups)
        assert low < values.mean() < high
        return high - low

    assert width(np.arange(400) // 10) > 2 * width(np.arange(400))
