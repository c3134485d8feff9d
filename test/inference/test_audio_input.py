"""Sound for the networks: rows by stamp, repeated rows, gaps, other features; engines that hear, and that stop."""

import dataclasses

import numpy as np
import pytest
import torch
from builders.inference import engine_of
from builders.papers import SMALL, needs_torchvision, paper_checkpoint

from affect_perception.core.sound import AudioFeatures, stacked_names
from affect_perception.errors import BadInputError
from affect_perception.inference.audio_input import AudioBuffer, AudioNeed, batch
from affect_perception.models import checkpoint
from affect_perception.types import Box, Track, TrackedFrame

SECOND = 1_000_000_000
HEARING = {
    'parthasarathy2020': {},
    'qian2023': {'audio': 5},
    'vielzeuf2018': {'audio': 5},
    'aspandi2020': {'audio': 5},
}
EACH = pytest.mark.parametrize('name', [pytest.param(n, marks=needs_torchvision(n)) for n in HEARING])


def need(steps: str = 'frame', **changes) -> AudioNeed:
    return dataclasses.replace(AudioNeed(2, steps, 1.0), **changes)


def rows(start_s: float, *values: float, period_s: float = 0.1, names=('a', 'b')) -> AudioFeatures:
    data = np.array([[v, -v] for v in values], np.float32)
    return AudioFeatures(round(start_s * SECOND), period_s, names, data)


def at(buffer: AudioBuffer, seconds: float) -> list | None:
    found = buffer.at(round(seconds * SECOND))
    return None if found is None else found.tolist()


def test_an_image_gets_the_newest_row_that_is_not_later():
    buffer = AudioBuffer(need())
    buffer.put(rows(1.0, 1, 2, 3))
    assert at(buffer, 0.95) is None
    assert at(buffer, 1.0) == [1, -1]
    assert at(buffer, 1.19) == [2, -2]
    assert at(buffer, 1.4) == [3, -3]
    assert at(buffer, 1.5) is None  # the sound stopped


def test_a_clip_gets_the_rows_of_its_window_alone():
    buffer = AudioBuffer(need('free'))
    buffer.put(rows(0, *range(30)))
    assert [row[0] for row in at(buffer, 1.55)] == list(range(6, 16))


def test_rows_that_were_sent_twice_count_once_and_a_recording_that_restarts_begins_anew():
    buffer = AudioBuffer(need('free'))
    buffer.put(rows(0, 0, 1, 2))
    buffer.put(rows(0.1, 7, 7, 3))
    assert [row[0] for row in at(buffer, 0.3)] == [0, 1, 2, 3]
    buffer.put(rows(90.0, 5))
    buffer.put(rows(0, 8))
    assert [row[0] for row in at(buffer, 0.05)] == [8]


def test_columns_are_chosen_by_name_and_normalised_with_the_statistics_of_the_checkpoint():
    buffer = AudioBuffer(need(names=('b', 'a'), mean=(1.0, 0.0), deviation=(2.0, 1.0)))
    buffer.put(rows(0, 3.0))
    assert at(buffer, 0) == [-2, 3]
    with pytest.raises(BadInputError, match='lack b'):
        buffer.put(rows(1, 3.0, names=('a', 'c')))


def test_functionals_that_a_checkpoint_names_are_means_and_deviations_of_the_window():
    names = ('a_mean', 'b_mean', 'a_std', 'b_std')
    wanted = AudioNeed(4, 'clip', 1.0, names, (0.0,) * 4, (2.0, 1.0, 1.0, 1.0))
    buffer = AudioBuffer(wanted)
    buffer.put(rows(0, 90, 90, *range(9), np.nan))
    assert at(buffer, 1.1) == pytest.approx([2, -4, np.std(range(9)), np.std(range(9))], abs=1e-5)
    with pytest.raises(BadInputError, match='lack b'):
        buffer.put(rows(3, 1.0, names=('a', 'c')))


def test_consecutive_rows_that_a_checkpoint_names_are_put_side_by_side():
    names = ('a[-1]', 'b[-1]', 'a[0]', 'b[0]')
    assert stacked_names(('a', 'b'), 2) == names
    buffer = AudioBuffer(AudioNeed(4, 'frame', 1.0, names, (0.0,) * 4, (2.0, 1.0, 1.0, 1.0)))
    buffer.put(rows(0, 1, 2, 3))
    assert at(buffer, 0.0) is None  # nothing before it
    assert at(buffer, 0.2) == [1, -2, 3, -3]
    buffer.put(rows(0.5, 7, 8))
    assert at(buffer, 0.5) is None  # a gap before it
    assert at(buffer, 0.6) == [3.5, -7, 8, -8]
    with pytest.raises(BadInputError, match='lack b'):
        buffer.put(rows(3, 1.0, names=('a', 'c')))


def test_a_network_of_functionals_takes_these_alone_and_keeps_them_until_the_next_are_overdue():
    buffer = AudioBuffer(AudioNeed(2, 'clip', 4.0, ('a', 'b')))
    buffer.put(rows(0, 1.0, names=('c', 'd')))
    assert at(buffer, 0.1) is None
    for second in (1, 2):
        row = np.array([[second, -second]], np.float32)
        buffer.put(AudioFeatures(second * SECOND, 1.0, ('a', 'b'), row, functionals=True))
    assert at(buffer, 1.9) == [1, -1]
    assert at(buffer, 3.9) == [2, -2]
    assert at(buffer, 4.1) is None
    ordinary = AudioBuffer(need(names=('a', 'b')))
    ordinary.put(AudioFeatures(SECOND, 1.0, ('a', 'b'), row, functionals=True))
    assert at(ordinary, 1.0) is None


def test_the_features_of_a_checkpoint_become_settings_of_the_sound():
    assert AudioNeed(2, 'frame', 1.0, ('a', 'b'), features='compare65').settings == {'audio_features': 'compare65'}
    stack = AudioNeed(2, 'frame', 1.0, ('a[-1]', 'a[0]'), features='egemaps2')
    assert stack.settings == {'audio_features': 'egemaps'}
    clip = AudioNeed(2, 'clip', 3.0, ('a', 'b'), features='is10_functionals')
    assert clip.settings == {'audio_functionals': 'is10', 'audio_window_s': 3.0}
    assert need().settings == {}


def test_rows_with_nan_are_absent_and_others_of_that_interval_stay():
    buffer = AudioBuffer(need())
    buffer.put(rows(0, 1, np.nan, 3))
    assert at(buffer, 0.1) is None
    assert at(buffer, 0.2) == [3, -3]


@pytest.mark.parametrize(
    ('values', 'names', 'period_s'),
    [(np.zeros((3, 2)), ('a',), 0.1), (np.zeros(3), ('a',), 0.1), (np.zeros((1, 1)), ('a',), 0.0)],
)
def test_features_of_a_wrong_shape_or_period_are_refused(values, names, period_s):
    with pytest.raises(BadInputError, match=r'wanted (float|more)'):
        AudioFeatures(0, period_s, names, values)


def test_features_of_another_number_are_refused_with_both_numbers():
    with pytest.raises(BadInputError, match='3 audio features; the model wants 2'):
        AudioBuffer(need()).put(AudioFeatures(0, 0.1, ('a', 'b', 'c'), np.zeros((1, 3))))


def test_faces_without_sound_are_nan_in_a_batch_with_faces_that_have_it():
    array = batch([None, np.ones((2, 2), np.float32), np.full((3, 2), 5, np.float32)], need('free'))
    assert array.shape == (3, 3, 2)
    assert np.isnan(array[0]).all()
    assert np.isnan(array[1, 0]).all()
    assert (array[1, 1:] == 1).all()
    assert batch([None, None], need()) is None


def frame(number: int) -> TrackedFrame:
    picture = np.random.default_rng(number).integers(0, 255, (96, 96, 3), np.uint8)
    return TrackedFrame(number * SECOND // 20, '', 9, 9, (Track(1, Box(0, 0, 9, 9), 0.8, 0.1, picture),))


def sound(number: int, seed: int = 0) -> AudioFeatures:
    """The five rows of 10 ms before and at an image."""
    data = np.random.default_rng(seed + number).normal(0, 1, (5, 5)).astype(np.float32)
    start = number * SECOND // 20 - SECOND // 25
    return AudioFeatures(start, 0.01, tuple('abcde'), data)


def outputs(engine, count: int, heard=lambda number: True) -> list[list[float]]:
    said = []
    for number in range(count):
        audio = {'': sound(number)} if heard(number) else None
        face = engine.steps({'': frame(number)}, audio)[''].faces[0]
        said.append([face.valence, face.arousal, *face.expression_probabilities, *face.reaction_intensities])
    return said


@EACH
def test_sound_changes_the_output_and_its_end_brings_back_that_of_the_video_alone(name, tmp_path):
    weights = paper_checkpoint(name, tmp_path, **SMALL[name] | HEARING[name])
    hearing, deaf = (engine_of(weights, 'torch', stride_s=0.0) for _ in range(2))
    with_sound = outputs(hearing, 60, lambda number: number < 20)
    video = outputs(deaf, 60, lambda number: False)
    assert np.nanmax(np.abs(np.subtract(with_sound[19], video[19]))) > 1e-5
    # The sound is out of every window: 0.25 s after its end, then the frames of the network.
    assert np.allclose(with_sound[59], video[59], atol=1e-5, equal_nan=True)
    assert hearing.details['audio'] == deaf.details['audio'] == 'none: video only'


@EACH
def test_live_output_with_sound_equals_the_offline_network(name, tmp_path):
    weights = paper_checkpoint(name, tmp_path, **SMALL[name] | HEARING[name])
    said = outputs(engine_of(weights, 'torch', stride_s=0.0), 40)[-1]
    model = checkpoint.load(weights).model
    with torch.inference_mode():
        pictures = [model.preprocess(torch.from_numpy(frame(n).tracks[0].crop[None].copy())) for n in range(40)]
        embeddings = torch.stack([model.features(x)[0] for x in pictures])[None]
        at_image = torch.stack([torch.from_numpy(sound(n).values[-1]) for n in range(40)])[None]
        if name == 'parthasarathy2020':
            past = model.inputs.frames + model.stack - 1
            batch = {'embeddings': embeddings[:, -model.inputs.frames :], 'audio': at_image[:, -past:]}
            expected = model(batch)['affect'][0, -1].clamp(-1, 1).tolist()
        elif name == 'aspandi2020':
            batch = {'images': pictures[-1], 'audio': at_image[:, -1]}
            expected = model(batch)['affect'][0].clamp(-1, 1).tolist()
        elif name == 'qian2023':  # read when its last slot began, at image 30
            heard = torch.from_numpy(np.concatenate([sound(n).values for n in range(31)]))[None]
            batch = {'embeddings': embeddings[:, ::10], 'audio': heard}
            expected = [np.nan, np.nan, *model(batch)['reactions'][0].tolist()]
        else:
            clip = model({'embeddings': embeddings, 'audio': at_image[:, -1]})
            both = (clip['expression'].softmax(-1) + clip['audio'].softmax(-1)) / 2
            expected = [*torch.tanh(model.affect(embeddings[0, -1])).tolist(), *both[0].tolist()]
    assert said == pytest.approx(expected, abs=1e-4, nan_ok=True)


def test_a_network_without_audio_ignores_sound(tmp_path):
    engine = engine_of(paper_checkpoint('witzig2019', tmp_path), 'torch')
    assert engine.audio is None
    engine.hear(sound(0))
    assert 'audio' not in engine.details
