"""Training files of the shipped networks."""

import pytest
from conftest import ROOT

from affect_perception.training.settings import load_settings


@pytest.mark.parametrize('name', ['smile_va_wide', 'smile_va_wide_2', 'smile_va', 'smile_va_open'])
def test_the_training_files_of_the_shipped_networks_are_valid(name):
    settings = load_settings(ROOT / 'config' / 'training' / f'{name}.yaml')
    assert (settings.name, settings.model) == (name, 'smile_va')
    if name == 'smile_va':
        wide = [f'runs/{name}/{name}.safetensors' for name in ('smile_va_wide', 'smile_va_wide_2')]
        assert settings.teacher.split(', ') == wide
    if name == 'smile_va_open':
        assert settings.ferplus_batch == settings.lfw_batch == 0
        assert not settings.teacher
        assert not settings.initial
