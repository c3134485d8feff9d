"""Registry MODELS: every network has the interface that training and inference call."""

import pytest
import torch
from builders.papers import SMALL, needs_torchvision

from affect_perception.models import MODELS
from affect_perception.models.face_model import FaceModel, TemporalModel


@pytest.mark.parametrize('name', [pytest.param(name, marks=needs_torchvision(name)) for name in MODELS])
def test_every_registered_model_has_the_interface_that_the_engine_calls(name):
    kind = MODELS[name]
    assert issubclass(kind, FaceModel)
    model = kind(**SMALL.get(name, {})).fold()
    x = model.preprocess(torch.zeros(2, 50, 50, 3, dtype=torch.uint8))
    embedding = model.features(x)
    assert embedding.shape == (2, model.embedding_size)
    assert kind(**model.settings).settings == model.settings
    if isinstance(model, TemporalModel):
        output, state = model.advance(embedding, torch.ones(2), model.initial_state(2))
        assert state.shape == model.initial_state(2).shape
    else:
        output = model.head(embedding)
    assert output.levels.shape == (2, 4)
    assert output.intensity.shape == (2,)
    assert model.levels_of(torch.tensor([0.0, 1.0])).argmax(1).tolist() == [0, 3]
    if hasattr(model, 'normalise'):  # called by training
        assert model.normalise(torch.zeros(2, 50, 50)).shape == x.shape
