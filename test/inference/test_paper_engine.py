"""The papers' networks through the engine: streaming equals offline, fields, clips, crops, state of tracks."""

import logging
import math

import numpy as np
import pytest
import torch
from builders.inference import engine_of
from builders.papers import needs_torchvision, paper_checkpoint

from affect_perception.inference.backends import selection
from affect_perception.inference.crop_encoder import CropEncoder
from affect_perception.inference.engine import AffectEngine
from affect_perception.models import checkpoint
from affect_perception.settings import AffectSettings
from affect_perception.types import Affect, Box, SmileLevel, Track, TrackedFrame

FRAME = 50_000_000  # ns: 20 frames a second
CASES = {
    'witzig2019': ('witzig2019', {}),
    'qian2023': ('qian2023', {}),
    'vielzeuf2018': ('vielzeuf2018', {}),
    'vielzeuf2018 lstm': ('vielzeuf2018', {'pooling': 'lstm'}),
    'parthasarathy2020': ('parthasarathy2020', {}),
    'parthasarathy2020 gru': ('parthasarathy2020', {'kind': 'gru_v'}),
    'aspandi2020': ('aspandi2020', {}),
}
EACH = pytest.mark.parametrize('case', [pytest.param(c, marks=needs_torchvision(CASES[c][0])) for c in CASES])
FIVE = pytest.mark.parametrize('case', [pytest.param(c, marks=needs_torchvision(c)) for c in CASES if CASES[c][0] == c])
CLIPS = ('qian2023', 'vielzeuf2018')
EACH_CLIP = pytest.mark.parametrize('case', [pytest.param(c, marks=needs_torchvision(c)) for c in CLIPS])


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Checkpoint of a case, made once."""
    made = {}

    def of(case: str) -> str:
        name, settings = CASES[case]
        if case not in made:
            made[case] = paper_checkpoint(name, tmp_path_factory.mktemp('weights'), **settings)
        return made[case]

    return of


def crop(track: int, number: int, side: int = 96) -> np.ndarray:
    return np.random.default_rng(1000 * track + number).integers(0, 255, (side, side, 3), np.uint8)


def frame(number: int, *tracks: int, side: int = 96) -> TrackedFrame:
    made = tuple(Track(t, Box(10, 20, 30, 40), 0.8, 0.1, crop(t, number, side)) for t in tracks)
    return TrackedFrame(number * FRAME, 'camera', 640, 480, made)


def numbers(face: Affect) -> list[float]:
    return [
        *face.smile_probabilities, face.smile_intensity, face.valence, face.arousal,
        *face.expression_probabilities, *face.reaction_intensities,
    ]  # fmt: skip


def offline(weights: str, track: int, here: list[int]) -> list[float]:
    """Outputs of the network for a clip of these frames, without streaming: the paper's own forward pass."""
    model = checkpoint.load(weights).model
    with torch.inference_mode():
        pictures = [model.preprocess(torch.from_numpy(crop(track, n)[None])) for n in here]
        e = torch.stack([model.features(x)[0] for x in pictures])[None]
        name = type(model).__name__
        if name == 'Witzig2019':
            levels = model({'embeddings': e[:, -20:]})['levels'][0, -1].softmax(-1)
            return [*levels, levels @ torch.tensor([0, 1 / 3, 2 / 3, 1]), math.nan, math.nan]
        nothing = [math.nan] * 5
        if name == 'Qian2023':  # the first frame of each of four slots of ten frames
            return [*nothing, math.nan, math.nan, *model({'embeddings': e[:, ::10][:, -4:]})['reactions'][0]]
        if name == 'Vielzeuf2018':
            expression = model({'embeddings': e[:, -40:]})['expression'][0].softmax(-1)
            return [*nothing, *torch.tanh(model.affect(e[0, -1])), *expression]
        if name == 'Parthasarathy2020':
            window = e[:, -model.inputs.frames :] if model.transformer else e
            return [*nothing, *model({'embeddings': window})['affect'][0, -1].clamp(-1, 1)]
        return [*nothing, *model({'images': pictures[-1]})['affect'][0].clamp(-1, 1)]


@EACH
def test_live_output_equals_the_offline_pass_over_the_same_window_of_each_track(files, case):
    engine = engine_of(files(case), 'torch', stride_s=0.0)
    for number in range(60):
        tracks = [1] if number < 20 else [1, 2]
        result = engine.step(frame(number, *tracks))
    for face, first in zip(result.faces, (0, 20), strict=True):
        expected = [float(v) for v in offline(files(case), face.track_id, list(range(first, 60)))]
        assert numbers(face) == pytest.approx(expected, abs=1e-4, nan_ok=True)
    values = np.array([numbers(face) for face in result.faces])
    assert np.nanmax(np.abs(values[0] - values[1])) > 1e-4


@EACH
def test_tracks_that_come_and_go_do_not_change_the_others(files, case):
    alone, together = (engine_of(files(case), 'torch', stride_s=0.0) for _ in range(2))
    for number in range(45):
        others = [t for t, (first, last) in {2: (3, 12), 3: (5, 45), 4: (30, 33)}.items() if first <= number < last]
        result, (expected,) = together.step(frame(number, *others, 1)), alone.step(frame(number, 1)).faces
        assert numbers(result.faces[-1]) == pytest.approx(numbers(expected), abs=1e-4, nan_ok=True)


@FIVE
def test_two_runs_and_batches_of_frames_give_the_same(files, case):
    engines = [engine_of(files(case), 'torch') for _ in range(2)]
    frames = [frame(n, *([1, 2] if n % 7 else [2])) for n in range(24)]
    one, two = ([numbers(f) for x in frames for f in engine.step(x).faces] for engine in engines)
    assert np.array_equal(one, two, equal_nan=True)
    engines[0].reset()
    groups = [frames[:4], frames[4:5], [], frames[5:]]
    batched = [numbers(f) for g in groups for x in engines[0].sequence(g) for f in x.faces]
    assert np.allclose(batched, one, atol=1e-5, equal_nan=True)


@FIVE
def test_a_network_fills_the_fields_it_has_and_leaves_the_others_unknown(files, case):
    engine = engine_of(files(case), 'torch')
    result = engine.step(frame(0, 1))
    (face,) = result.faces
    name = CASES[case][0]
    has_smile, has_affect = name == 'witzig2019', name not in ('witzig2019', 'qian2023')
    assert (face.smile_level != SmileLevel.UNKNOWN) == has_smile
    assert math.isfinite(face.smile_intensity) == has_smile == math.isfinite(sum(face.smile_probabilities))
    assert math.isfinite(face.valence) == has_affect == math.isfinite(face.arousal)
    assert len(result.reaction_labels) == len(face.reaction_intensities) == 7 * (name == 'qian2023')
    assert len(result.expression_labels) == len(face.expression_probabilities) == 7 * (name == 'vielzeuf2018')
    assert all(0 <= value <= 1 for value in (*face.reaction_intensities, *face.expression_probabilities))
    assert face.confidence == 0.8  # the tracker's: no network here has one of its own


@FIVE
def test_state_of_tracks_that_left_is_freed(files, case):
    engine = engine_of(files(case), 'torch')
    for number in range(40):
        engine.step(TrackedFrame(number * 10 * FRAME, '', 9, 9, frame(number, number, number + 1, 9999).tracks))
    (camera,) = engine._cameras.values()
    assert len(camera.recurrent) <= 25  # of ten seconds, two frames a second
    assert len(camera.readings) <= 25
    states = [state for _, state in camera.recurrent._states.values()]
    held = {state.untyped_storage().data_ptr(): state.untyped_storage().nbytes() for state in states}
    assert sum(held.values()) <= 1.2 * sum(s.numel() * s.element_size() for s in states)


@FIVE
def test_a_pause_and_stamps_that_go_backwards_are_survived(files, case):
    engine, fresh = engine_of(files(case), 'torch'), engine_of(files(case), 'torch')
    for number in (0, 1, 30, 700, 701):
        engine.step(frame(number, 1))
    (again,), (first,) = engine.step(frame(2, 1)).faces, fresh.step(frame(2, 1)).faces
    assert numbers(again) == pytest.approx(numbers(first), abs=1e-5, nan_ok=True)


@EACH_CLIP
def test_a_window_is_read_every_stride_and_its_reading_is_kept_in_between(files, case):
    engine = engine_of(files(case), 'torch', stride_s=1.0)
    said = [tuple(numbers(engine.step(frame(n, 1)).faces[0])) for n in range(61)]
    changes = [n for n in range(1, 61) if not np.array_equal(said[n], said[n - 1], equal_nan=True)]
    assert changes == [20, 40, 60]
    engine.change(AffectSettings(model=files(case), stride_s=0.5))
    assert engine.window.every_s == 0.5
    assert engine.window.delay_s == 1.25


@EACH_CLIP
def test_only_frames_that_a_slot_needs_pass_the_cnn(files, case, monkeypatch):
    engine, encoded = engine_of(files(case), 'torch'), []
    encode = CropEncoder.encode

    def counted(encoder, crops, audio=None):
        encoded.append(len(crops))
        return encode(encoder, crops, audio)

    monkeypatch.setattr(CropEncoder, 'encode', counted)
    for number in range(40):
        engine.step(frame(number, 1))
    assert sum(encoded) == (4 if case == 'qian2023' else 40)  # the first of each of four slots, or the best of all


@FIVE
def test_crops_smaller_than_those_of_the_training_are_warned_of_once(case, tmp_path, caplog):
    name, settings = CASES[case]
    engine = engine_of(paper_checkpoint(name, tmp_path, crop_size=128, **settings), 'torch')
    with caplog.at_level(logging.WARNING):
        for number in range(3):
            engine.step(frame(number, 1))
    assert caplog.text.count('Face crops of 96 px are smaller than the 128 px') == 1
    assert engine.details['crop_px'] == '96, wanted 128'


@pytest.mark.parametrize(
    ('case', 'window', 'delay_s'),
    [
        ('witzig2019', 'the last 20 frames', 0),
        ('parthasarathy2020', 'the last 8 frames', 0),
        ('parthasarathy2020 gru', 'all frames of the track', 0),
        ('aspandi2020', 'the newest frame', 0),
        pytest.param(
            'qian2023', 'the last 2 s in 4 frames, read every 0.50 s', 1.25, marks=needs_torchvision('qian2023')
        ),
    ],
)
def test_diagnostics_state_window_and_delay(files, case, window, delay_s):
    engine = engine_of(files(case), 'torch')
    engine.step(frame(0, 1, 2))
    assert engine.details['window'] == window
    assert float(engine.details['delay_s']) == delay_s
    assert engine.details['tracks_with_state'] == '2'


@pytest.mark.slow
def test_a_backend_is_compared_in_every_field_of_a_network_without_a_smile(files, monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    fixed, plain = (engine_of(files('aspandi2020'), name) for name in ('fixed', 'torch'))
    (one,), (two,) = (e.step(frame(0, 1)).faces for e in (fixed, plain))
    assert numbers(one) == pytest.approx(numbers(two), abs=0.01, nan_ok=True)
    wrong = selection.trial_outputs(checkpoint.load(files('aspandi2020')).model, torch.full((1, 2), 0.9))
    right = selection.trial_outputs(checkpoint.load(files('aspandi2020')).model, torch.full((1, 2), 0.1))
    assert selection.max_deviation(wrong, right) == pytest.approx(0.8)


def test_without_torchvision_a_network_that_needs_it_is_refused_with_what_to_do(monkeypatch, tmp_path):
    from affect_perception.errors import ConfigError
    from affect_perception.models.backbones import torchvision_nets

    def refuse():
        raise ConfigError('the backbones of this network need torchvision; pip install "affect-perception[papers]"')

    header = {'format': 1, 'model': 'qian2023', 'model_settings': {}, 'crop_size': 224, 'crop_margin': 0.15}
    path = tmp_path / 'q.safetensors'
    checkpoint.write_safetensors(path, {}, header)
    monkeypatch.setattr(torchvision_nets, 'torchvision', refuse)
    with pytest.raises(ConfigError, match=r'affect-perception\[papers\]'):
        AffectEngine(AffectSettings(model=str(path), device='cpu'))
