"""Training the recurrent network: films and their truths, both parts resumable, several processes, what losses mean."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from builders.training import TINY, drawn_faces, drawn_morphs, drawn_sets, same_state
from conftest import ROOT

from affect_perception.errors import ConfigError
from affect_perception.evaluation.metrics import predictions
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.smile_va import SmileVa
from affect_perception.training.data.batches import Batches, stills_of
from affect_perception.training.distributed import share_of, start
from affect_perception.training.losses import affect_loss, expression_loss, wanted_intensity
from affect_perception.training.scoring.calibration import best_level_slope, fitted_knots, fitted_line
from affect_perception.training.scoring.temporal_probe import Course, Probe, film_f1, onset_delays
from affect_perception.training.scoring.temporal_report import worse_pictures
from affect_perception.training.state import FILM_SETTINGS
from affect_perception.training.synthetic import rendering, sequences, trajectories
from affect_perception.training.temporal import film_loss
from affect_perception.training.train import fit, prepared, taught_films
from affect_perception.types import LEVEL_BOUNDS

SMALL = TINY


class SmallModel(SmileVa):
    """The default network, small enough for a test."""

    def __init__(self, channels=(4, 6, 8, 10), blocks=(1, 1, 1, 1), hidden=8, dropout=0.3):
        super().__init__(channels, blocks, hidden, dropout)


@pytest.fixture(autouse=True)
def small_network(monkeypatch):
    monkeypatch.setitem(MODELS, 'smile_va', SmallModel)


@pytest.fixture(scope='module')
def sets() -> dict:
    return drawn_sets()


def test_the_first_part_resumes_with_heads_that_nothing_teaches_yet(tmp_path, sets):
    whole = fit(prepared(SMALL), sets, tmp_path / 'whole')
    fit(prepared(SMALL), sets, tmp_path / 'state', stop_after=5)
    resumed = prepared(SMALL)
    resumed.load(tmp_path / 'state')
    assert same_state(whole, fit(resumed, sets, tmp_path / 'state'))


def test_the_second_part_resumes_to_the_same_weights_and_leaves_the_cnn_alone(tmp_path, sets):
    def model():
        torch.manual_seed(1)
        return SmallModel()

    whole = taught_films(model(), SMALL, sets, tmp_path / 'whole', resume=False)
    part = tmp_path / 'part'
    half = SMALL.changed(film_epochs=1)
    taught_films(model(), half, sets, part, resume=False)
    with pytest.raises(ConfigError, match='film_epochs'):
        taught_films(model(), SMALL, sets, part, resume=True)
    again = taught_films(model(), SMALL, sets, tmp_path / 'whole', resume=True)
    assert same_state(whole, again)
    fresh = model()
    for name, tensor in whole.model.state_dict().items():
        moved = not torch.equal(tensor, fresh.state_dict()[name])
        assert moved == (name.startswith(('recurrent', 'temporal_head')) and 'level_slope' not in name), name


def test_settings_of_films_may_change_between_the_parts_and_others_not(tmp_path, sets):
    fit(prepared(SMALL), sets, tmp_path / 'state', stop_after=3)
    prepared(SMALL.changed(film_epochs=9, tolerance=0.3)).load(tmp_path / 'state', FILM_SETTINGS)
    with pytest.raises(ConfigError, match='learning_rate'):
        prepared(SMALL.changed(learning_rate=0.1)).load(tmp_path / 'state', FILM_SETTINGS)


def test_training_stops_when_its_patience_is_over(tmp_path, sets):
    settings = SMALL.changed(epochs=50, patience=2, learning_rate=1e-9)
    assert len(fit(prepared(settings), sets, tmp_path / 'state').history) < 50


def test_a_network_begins_from_what_fits_of_another_and_refuses_what_does_not(tmp_path):
    torch.manual_seed(7)
    file = tmp_path / 'first.safetensors'
    checkpoint.save(file, SmallModel(), 'smile_va', crop_size=96, crop_margin=0.15)
    state = prepared(SMALL.changed(initial=str(file), seed=3))
    tensors, _ = checkpoint.read_safetensors(file)
    assert torch.equal(state.model.stem.conv.weight, tensors['stem.conv.weight'])
    checkpoint.write_safetensors(file, {'other': torch.zeros(1)}, {'format': 1})
    with pytest.raises(ConfigError, match='shares no tensor'):
        prepared(SMALL.changed(initial=str(file)))


def test_two_processes_share_a_batch_and_end_with_one_set_of_weights(tmp_path):
    script = tmp_path / 'both.py'
    script.write_text(
        'import sys, torch\n'
        f'sys.path[:0] = [{str(ROOT / "test")!r}, {os.path.dirname(__file__)!r}]\n'
        'from pathlib import Path\n'
        'from test_training_sequences import *\n'
        "MODELS['smile_va'] = SmallModel\n"
        'made = {n: {s: drawn_faces(12, k) for k, s in enumerate(("train", "val", "test"))} '
        'for n in ("FER+", "LFW", "London", "DiffusionFER", "Portraits")}\n'
        'made["Morphs"] = {s: drawn_morphs(4, k) for k, s in enumerate(("train", "val", "test"))}\n'
        'state = fit(prepared(SMALL), made, Path(sys.argv[1]) / "state", stop_after=3)\n'
        'from torch import distributed\n'
        'rank = distributed.get_rank()\n'
        'torch.save(state.model.state_dict(), Path(sys.argv[1]) / f"{rank}.pt")\n'
        'distributed.barrier()\n'
    )
    command = [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', str(script)]
    subprocess.run([*command, str(tmp_path)], check=True, timeout=120, env=os.environ | {'OMP_NUM_THREADS': '1'})
    left, right = (torch.load(tmp_path / f'{rank}.pt', weights_only=True) for rank in (0, 1))
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert (tmp_path / 'state').is_file()


def test_batches_that_cannot_be_shared_are_refused(monkeypatch):
    monkeypatch.setenv('WORLD_SIZE', '3')
    with pytest.raises(ConfigError, match='ferplus_batch = 8 cannot be shared by 3'):
        start(SMALL)


def test_alone_a_process_reads_the_whole_batch(sets):
    batch = Batches(sets, SMALL).batch(0)
    assert share_of(batch) is batch
    assert len(batch.share) == len(batch.votes) == len(batch.affect) == len(batch.pictures)


def test_courses_stay_between_nothing_and_all_and_one_in_six_never_smiles():
    seconds = np.arange(90) / 30
    smiles = np.stack([trajectories.smile_course(np.random.default_rng(i), seconds) for i in range(300)])
    assert smiles.min() == 0
    assert smiles.max() <= 1
    assert 0.1 < np.mean(smiles.max(1) == 0) < 0.35
    assert np.abs(np.diff(smiles, axis=1)).max() < 0.4  # no smile comes within one frame
    talking = np.stack([trajectories.speech_course(np.random.default_rng(i), seconds) for i in range(50)])
    assert talking.min() >= 0
    assert talking.max() <= 1
    assert talking.max() > 0.5


def test_gaps_are_those_of_cameras_and_some_pause():
    gaps = np.stack([trajectories.frame_gaps(np.random.default_rng(i), 60) for i in range(200)])
    assert gaps.min() > 0.03
    assert gaps.max() < 2
    assert 0.1 < np.mean(gaps.max(1) > 0.3) < 0.35


def test_a_film_is_a_function_of_its_number(sets):
    morphs, stills = sets['Morphs']['train'], stills_of(sets, SMALL)
    for make in (lambda n: sequences.graded_film(morphs, n, SMALL), lambda n: sequences.still_film(stills, n, SMALL)):
        once, again, other = make(3), make(3), make(4)
        assert np.array_equal(once.pictures, again.pictures)
        assert not np.array_equal(once.pictures, other.pictures)
        assert once.pictures.min() >= 0
        assert once.pictures.max() <= 255


def test_still_films_show_one_photograph_or_a_cut_or_no_face(sets):
    made = [sequences.still_film(stills_of(sets, SMALL), n, SMALL) for n in range(80)]
    without = [f for f in made if not f.face.any()]
    cuts = [f for f in made if f.face.all() and not np.allclose(f.votes[0], f.votes[-1])]
    assert 2 <= len(without) <= 20
    assert np.isnan(without[0].votes).all()
    assert cuts
    assert all(np.allclose(f.votes.sum(1), 1, atol=1e-4) for f in cuts)


def test_an_open_mouth_changes_the_lower_face_only():
    face = drawn_morphs(1, 0).crops[0, 0]
    opened = rendering.open_mouth(face, rendering.lip_line(face), 0.8)
    change = np.abs(opened.astype(int) - face).sum(1)
    assert change[: len(face) // 3].sum() == 0
    assert change[len(face) // 2 :].sum() > 100
    assert rendering.open_mouth(face, 30.0, 0.0) is face


def test_a_perfect_reading_of_a_graded_film_costs_next_to_nothing(sets):
    model = SmallModel()
    bank = sequences.bank(model, lambda n: sequences.graded_film(sets['Morphs']['train'], n, SMALL), 3)
    output, _ = model.over_time(bank.embeddings, bank.gaps_s)
    share, strength = bank.share.clamp(0.005, 0.995), bank.strength.clamp(0.005, 0.995)
    right = output._replace(
        smiling=torch.logit(share),
        strength=torch.logit(strength),
        intensity=wanted_intensity(bank.share, bank.strength),
        expression=torch.zeros_like(output.expression),
        confidence=torch.full_like(output.confidence, 9.0),
        affect=share[..., None] * torch.tensor([0.45, 0.30]),
    )
    assert film_loss(right, bank, SMALL) < 0.3 < film_loss(output, bank, SMALL)


def test_losses_look_only_at_what_is_known():
    nan = float('nan')
    votes = torch.tensor([[1.0] + [0.0] * 7, [nan] * 8])
    logits = torch.zeros(2, 8)
    assert expression_loss(logits, votes) == pytest.approx(np.log(8), abs=1e-5)
    said = torch.tensor([[0.1, 0.2], [0.3, -0.4], [9.0, 9.0]])
    assert affect_loss(said, torch.tensor([[0.1, 0.2], [0.3, -0.4], [nan, nan]])) == pytest.approx(0, abs=1e-6)
    assert affect_loss(said, torch.full((3, 2), nan)) == 0


def test_ccc_and_majority_by_hand():
    assert predictions.ccc(np.array([1.0, 2, 3]), np.array([1.0, 2, 3])) == 1
    assert predictions.ccc(np.array([1.0, 2, 3]), np.array([2.0, 3, 4])) == pytest.approx(4 / 7)  # 2·⅔ / (⅔ + ⅔ + 1)
    assert predictions.majority_accuracy(np.eye(3), np.array([[3, 1, 0], [0, 1, 0], [1, 0, 0]])) == pytest.approx(2 / 3)
    sure = np.array([[0.9, 0.1], [0.1, 0.9], [0.9, 0.1]])
    assert predictions.top_label_error(sure, np.array([0, 1, 1])) == pytest.approx(0.9 - 2 / 3)


def test_calibration_finds_the_line_and_the_slope_that_made_the_data():
    x = torch.linspace(-3, 3, 2000)
    slope, bias = fitted_line(x, torch.sigmoid(1.7 * x - 0.4))
    assert (slope, bias) == (pytest.approx(1.7, abs=0.02), pytest.approx(-0.4, abs=0.02))
    sure = torch.tensor([[0.7, 0.1, 0.1, 0.1]]).repeat(100, 1).log()
    assert best_level_slope(sure, torch.zeros(100, dtype=torch.long)) == pytest.approx(5)  # always right: surer
    assert best_level_slope(sure, torch.arange(100) % 4) < 0.2  # right as often as not: less sure


def test_knots_lie_where_the_levels_begin():
    read = np.random.default_rng(0).random(600)
    level = np.digitize(read, (0.1, 0.3, 0.6), right=True)
    assert fitted_knots([(read[:300], level[:300]), (read[300:], level[300:])]) == pytest.approx(
        (0.1, 0.3, 0.6), abs=0.021
    )


def test_judged_clips_move_the_knots_as_much_as_all_other_parts_together():
    read = np.random.default_rng(0).random(600)
    votes, judged = (np.digitize(read, bounds, right=True) for bounds in ((0.1, 0.3, 0.6), (0.1, 0.5, 0.7)))
    low, medium, high = fitted_knots([(read, votes)], (np.tile(read, 2), np.tile(judged, 2)))
    assert low == pytest.approx(0.1, abs=0.021)
    assert 0.28 < medium < 0.52
    assert 0.58 < high < 0.72


def test_calibrated_knots_become_the_bounds_of_the_levels_and_intensity_still_rises():
    head = SmallModel().head
    head.knots.copy_(torch.tensor([0.14, 0.42, 0.71]))
    assert head.calibrated(head.knots).tolist() == pytest.approx(LEVEL_BOUNDS)
    assert (head.calibrated(torch.linspace(0, 1, 101)).diff() > 0).all()
    assert head.calibrated(torch.tensor([0.0, 1.0])).tolist() == [0, 1]


def test_onset_delay_is_the_time_from_half_shown_to_half_read():
    shown = trajectories.eased((np.arange(90) - 30) / 12)
    late = np.concatenate([np.zeros(6), shown[:-6]])
    course = Course(
        shown[None, None], shown[None, None], late[None, None], np.eye(4)[trajectories.level_of(late)][None, None]
    )
    assert onset_delays(course) == pytest.approx([0.2])
    assert film_f1(course) < 1 == film_f1(course._replace(levels=np.eye(4)[trajectories.level_of(shown)][None, None]))


def test_worse_pictures_are_worse_and_of_the_same_size():
    crops = drawn_faces(3, 0).crops
    for name, worse in worse_pictures(crops).items():
        assert worse.shape == crops.shape, name
        assert worse.dtype == np.uint8, name
        assert (worse != crops).any()


def test_validation_scores_choose_by_stills_and_films(sets):
    model = SmallModel()
    scores = Probe(model, sets).scores(model)
    assert {'ferplus_auc', 'film_f1', 'talking', 'deviation', 'choice'} <= scores.keys()
    assert all(np.isfinite(value) for value in scores.values())


def test_what_is_no_face_comes_in_five_kinds_with_a_faces_size_and_is_marked_so(sets):
    rng, face = np.random.default_rng(0), drawn_faces(1, 0).crops[0]
    made = [rendering.scrambled(rng, face) for _ in range(40)]
    assert all(one.shape == face.shape and one.dtype == np.uint8 for one in made)
    assert len({one.tobytes() for one in made}) > 30
    torch.manual_seed(1)
    stills = stills_of(sets, SMALL)
    looks = sequences.first_looks(SmallModel().eval(), stills * 10, SMALL)
    empty = ~looks.face[:, 0]
    assert 0.02 < empty.float().mean() < 0.3
    assert looks.votes[empty].isnan().all()
    assert not looks.votes[~empty].isnan().any()
