"""An earlier network's answers among the labels of training."""

import pytest
import torch
from builders.training import TINY, drawn_sets

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.models.smile_va import SmileVa
from affect_perception.models.witzig2019 import Witzig2019
from affect_perception.training.data.batches import Batches
from affect_perception.training.data.soft_labels import taught, teachers_of


def test_targets_become_the_mean_of_labels_and_answers_and_unknown_ones_stay_unknown(tmp_path):
    torch.manual_seed(0)
    model = SmileVa((4, 6, 8, 10), (1, 1, 1, 1), 8)
    checkpoint.save(tmp_path / 't.safetensors', model, 'smile_va', crop_size=96, crop_margin=0.15)
    settings = TINY.changed(teacher=str(tmp_path / 't.safetensors'), teacher_weight=0.25)
    batch = Batches(drawn_sets(), settings).batch(0)
    (teacher,) = teachers_of(settings, 'cpu')
    x = teacher.normalise(batch.pictures)
    said, mixed = teacher(x), taught(batch, [teacher], x, settings)
    known = ~batch.share.isnan()
    half = 0.75 * batch.share[known] + 0.25 * torch.sigmoid(said.smiling)[known]
    assert torch.allclose(mixed.share[known], half, atol=1e-5)
    assert torch.equal(mixed.share.isnan(), batch.share.isnan())
    assert torch.equal(mixed.votes.isnan(), batch.votes.isnan())
    assert mixed.pictures is batch.pictures
    assert mixed.affect is batch.affect


def test_several_teachers_answer_with_their_mean(tmp_path):
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = SmileVa((4, 6, 8, 10), (1, 1, 1, 1), 8)
        checkpoint.save(tmp_path / f'{seed}.safetensors', model, 'smile_va', crop_size=96, crop_margin=0.15)
    settings = TINY.changed(teacher=f'{tmp_path}/1.safetensors, {tmp_path}/2.safetensors', teacher_weight=1.0)
    batch, teachers = Batches(drawn_sets(), settings).batch(0), teachers_of(settings, 'cpu')
    x = teachers[0].normalise(batch.pictures)
    mean = sum(torch.sigmoid(teacher(x).strength) for teacher in teachers) / 2
    known = ~batch.strength.isnan()
    assert torch.allclose(taught(batch, teachers, x, settings).strength[known], mean[known], atol=1e-5)


def test_without_a_teacher_there_is_none_and_a_network_without_expressions_is_refused(tmp_path):
    assert teachers_of(TINY, 'cpu') == []
    file = tmp_path / 'paper.safetensors'
    checkpoint.save(file, Witzig2019(width=1 / 16, hidden=16), 'witzig2019', crop_size=96, crop_margin=0.15)
    with pytest.raises(ConfigError, match='reads no expressions and cannot teach'):
        teachers_of(TINY.changed(teacher=str(file)), 'cpu')
