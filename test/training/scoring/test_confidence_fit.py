"""Confidence read-out fitted anew: unreadable pictures get less of it, and nothing else changes."""

import numpy as np
import pytest
import torch
from builders.training import TINY, drawn_sets

from affect_perception.models.smile_va import SmileVa
from affect_perception.training.scoring import confidence_fit

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')


def test_refitted_confidence_is_lower_without_a_readable_face_and_other_outputs_stay(monkeypatch):
    for name, number in (('MORPHED', 20), ('SPOILT', 40), ('DRAWN', 40)):
        monkeypatch.setattr(confidence_fit, name, number)
    monkeypatch.setattr(confidence_fit, 'is_right', lambda output, share, strength, tolerance: output.score > -1e9)
    torch.manual_seed(0)
    model, sets = SmileVa(channels=(8, 12, 16, 20), blocks=(1, 1, 1, 1), hidden=8).eval(), drawn_sets()
    crops = torch.rand(3, 1, 64, 64)
    before = model.advance(model.features(crops), torch.full((3,), 0.03), model.initial_state(3))[0]
    confidence_fit.fit_confidence(model, sets, TINY)
    after = model.advance(model.features(crops), torch.full((3,), 0.03), model.initial_state(3))[0]
    for name, old, new in zip(before._fields, before, after, strict=True):
        assert torch.equal(old, new) == (name != 'confidence'), name
    features, _, face = confidence_fit.confidence_data(model, sets, TINY, 'train')
    size = model.embedding_size
    slope = np.concatenate([model.head.linear.weight[-1].detach(), model.temporal_head.weight[-1].detach()])
    logit = features @ slope
    assert features.shape[1] == size + 8
    assert logit[face].mean() > logit[~face].mean()
