"""Streaming of the papers' networks: frame by frame equals the offline pass over the same window."""

import pytest
import torch
from builders.papers import SMALL, needs_torchvision

from affect_perception.models import MODELS
from affect_perception.models.parthasarathy2020 import KINDS, Parthasarathy2020
from affect_perception.models.sequence_model import SequenceModel

ATOL = 1e-4


def build(name: str, **settings) -> SequenceModel:
    torch.manual_seed(4)
    return MODELS[name](**SMALL[name] | settings).eval()


def stream(model: SequenceModel, embeddings: torch.Tensor, gap_s: float, audio: torch.Tensor | None = None) -> list:
    state, outputs = model.initial_state(len(embeddings)), []
    with torch.inference_mode():
        for t in range(embeddings.shape[1]):
            sound = {} if audio is None else {'audio': audio[:, t]}
            output, state = model.advance(embeddings[:, t], torch.full((len(embeddings),), gap_s), state, **sound)
            outputs.append(output)
    return outputs


@pytest.mark.parametrize('kind', KINDS)
def test_parthasarathy2020_frame_by_frame_equals_the_offline_window(kind):
    model = build('parthasarathy2020', kind=kind)
    assert isinstance(model, Parthasarathy2020)
    frames, total = model.inputs.frames, 21
    embeddings, audio = torch.randn(3, total, model.embedding_size), torch.randn(3, total, 5)
    live = stream(model, embeddings, 1 / 30, audio)
    for t in (0, 3, frames - 1, frames, total - 1):
        begin = max(t + 1 - frames, 0) if model.transformer else 0
        past = max(begin - model.stack + 1, 0) if model.transformer else begin
        batch = {'embeddings': embeddings[:, begin : t + 1], 'audio': audio[:, past : t + 1]}
        with torch.inference_mode():
            offline = model(batch)['affect'][:, -1]
        assert torch.allclose(live[t].affect, offline.clamp(-1, 1), atol=ATOL)


def test_parthasarathy2020_forgets_what_is_older_than_its_window():
    model = build('parthasarathy2020', kind='transformer_v')
    old, new = torch.randn(1, 5, model.embedding_size), torch.randn(1, model.inputs.frames, model.embedding_size)
    after, alone = stream(model, torch.cat([old, new], 1), 1 / 30)[-1], stream(model, new, 1 / 30)[-1]
    assert torch.allclose(after.affect, alone.affect, atol=ATOL)


def test_parthasarathy2020_without_sound_equals_silence():
    model = build('parthasarathy2020')
    embeddings = torch.randn(2, 6, model.embedding_size)
    without, silent = stream(model, embeddings, 0.03), stream(model, embeddings, 0.03, torch.zeros(2, 6, 5))
    assert torch.equal(without[-1].affect, silent[-1].affect)


@needs_torchvision('qian2023')
@pytest.mark.parametrize('backbone', ['resnet50', 'vgg16'])
def test_qian2023_frame_by_frame_equals_its_evenly_spaced_frames(backbone):
    model = build('qian2023', backbone=backbone)  # 4 frames in 2 s
    embeddings = torch.randn(3, 40, model.embedding_size)
    live = stream(model, embeddings, 0.05)[-1]  # 40 frames of 50 ms are the window
    with torch.inference_mode():
        offline = model({'embeddings': embeddings[:, ::10]})['reactions']
    assert torch.allclose(live.reactions, offline, atol=ATOL)
    assert live.reactions.shape == (3, 7)
    assert live.affect.isnan().all()


@needs_torchvision('qian2023')
def test_qian2023_answers_from_the_first_frame_and_keeps_the_answer_within_a_slot():
    model = build('qian2023')
    live = stream(model, torch.randn(1, 12, model.embedding_size), 0.05)
    assert torch.equal(live[0].reactions, live[9].reactions)
    assert not torch.equal(live[9].reactions, live[10].reactions)


@needs_torchvision('qian2023')
def test_qian2023_tracks_whose_slots_begin_at_other_times_do_not_change_each_other():
    model = build('qian2023')
    embeddings = torch.randn(2, 30, model.embedding_size)
    alone = [stream(model, embeddings[:1], 0.05)[-1], stream(model, embeddings[1:, 3:], 0.05)[-1]]
    first = model.initial_state(1)
    gap = torch.full((1,), 0.05)
    with torch.inference_mode():
        for t in range(3):
            _, first = model.advance(embeddings[:1, t], gap, first)
        state = torch.cat([first, model.initial_state(1)])
        for t in range(3, 30):
            output, state = model.advance(embeddings[:, t], gap.expand(2), state)
    for face in range(2):
        assert torch.allclose(output.reactions[face], alone[face].reactions[0], atol=ATOL)


@needs_torchvision('vielzeuf2018')
@pytest.mark.parametrize('pooling', ['none', 'mean', 'weighted', 'lstm'])
def test_vielzeuf2018_frame_by_frame_equals_the_clip(pooling):
    model = build('vielzeuf2018', pooling=pooling)  # 4 slots in 2 s
    embeddings = torch.randn(3, 60, model.embedding_size)
    live = stream(model, embeddings, 0.05)[-1]
    with torch.inference_mode():
        offline = model({'embeddings': embeddings[:, -40:]})['expression'].softmax(-1)
    assert torch.allclose(live.expression, offline, atol=ATOL)
    assert torch.allclose(live.expression.sum(1), torch.ones(3), atol=ATOL)


def test_aspandi2020_has_no_memory_and_no_delay():
    model = build('aspandi2020')
    images = torch.rand(2, 3, 32, 32) * 2 - 1
    with torch.inference_mode():
        live, _ = model.advance(model.features(images), torch.ones(2), model.initial_state(2))
        offline = model({'images': images})['affect']
    assert torch.allclose(live.affect, offline.clamp(-1, 1), atol=ATOL)


@pytest.mark.parametrize('name', ['witzig2019', 'parthasarathy2020'])
def test_tracks_that_join_later_do_not_change_the_others(name):
    model = build(name)
    embeddings = torch.randn(2, 9, model.embedding_size)
    together = stream(model, embeddings, 1 / 30)[-1]
    state = model.initial_state(1)
    with torch.inference_mode():
        for t in range(9):
            if t == 4:  # the second track appears
                state = torch.cat([state, model.initial_state(1)])
            output, state = model.advance(embeddings[: len(state), t], torch.ones(len(state)), state)
    part = 'levels' if name == 'witzig2019' else 'affect'
    assert torch.allclose(getattr(output, part)[0], getattr(together, part)[0], atol=ATOL)
