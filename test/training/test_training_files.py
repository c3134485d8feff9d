"""Training files of the shipped networks."""

import pytest
from conftest import ROOT

from affect_perception.errors import ConfigError
from affect_perception.training.papers.settings import PaperSettings
from affect_perception.training.settings import load_settings, read_mapping


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


@pytest.mark.parametrize(
    'text',
    [
        'true: smile_va\n',
        '1: x\n',
        'model: qian2023\ndata: x\nnetwork: {true: 1, a: 2}\n',
        'model: qian2023\nnetwork: {a: 2020-01-01}\n',
    ],
)
def test_training_file_with_names_or_values_that_are_no_text_is_refused(tmp_path, text):
    file = tmp_path / 'x.yaml'
    file.write_text(text)
    with pytest.raises(ConfigError, match=r'x\.yaml'):
        PaperSettings.read(read_mapping(file), file)
