"""Checkpoints: a round trip keeps weights and header; every other file is refused with one clear line."""

import json
import pickle
import subprocess
import sys

import pytest
import torch
from safetensors.torch import save_file

from affect_perception.errors import ConfigError
from affect_perception.models import checkpoint
from affect_perception.models.smile_va import SmileVa

SMALL = {'channels': [4, 6, 8, 10], 'blocks': [1, 1, 1, 1], 'hidden': 4}


def write(path, model=None, **changes):
    """A small valid checkpoint, with `changes` to its header."""
    model = model or SmileVa(**SMALL)
    header = {'crop_size': 96, 'crop_margin': 0.15, 'scores': {}, 'terms': {'none': 'random weights'}} | changes
    checkpoint.save(path, model, header.pop('network', 'smile_va'), **header)
    return path


def refusal(path) -> str:
    with pytest.raises(ConfigError) as caught:
        checkpoint.load(str(path))
    text = str(caught.value)
    assert '\n' not in text
    assert path.name in text
    return text


def test_weights_and_header_come_back_as_they_were_written(tmp_path):
    model = SmileVa(**SMALL)
    loaded = checkpoint.load(str(write(tmp_path / 'mine.safetensors', model)))
    assert (loaded.name, loaded.crop_size, loaded.crop_margin) == ('mine', 96, 0.15)
    assert loaded.header['version']
    assert loaded.header['model'] == 'smile_va'
    assert not loaded.model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], tensor), name


def test_a_missing_file_is_refused(tmp_path):
    assert 'no checkpoint at' in refusal(tmp_path / 'nothing.safetensors')


def test_an_unknown_name_is_refused_with_what_is_installed():
    with pytest.raises(ConfigError, match=r"no model 'vgg'; installed: .*smile_va"):
        checkpoint.load('vgg')


@pytest.mark.parametrize('content', [b'', b'hello', b'\0' * 64, pickle.dumps({'weights': 1}), b'\xff' * 2000])
def test_a_file_that_is_no_safetensors_is_refused(tmp_path, content):
    path = tmp_path / 'foreign.safetensors'
    path.write_bytes(content)
    assert 'not a readable safetensors file' in refusal(path)


@pytest.mark.parametrize('kept', [7, 200, 3000, -1])
def test_a_truncated_file_is_refused(tmp_path, kept):
    path = write(tmp_path / 'cut.safetensors')
    path.write_bytes(path.read_bytes()[:kept])
    assert 'not a readable safetensors file' in refusal(path)


def test_a_folder_is_refused(tmp_path):
    (tmp_path / 'folder.safetensors').mkdir()
    assert 'no checkpoint at' in refusal(tmp_path / 'folder.safetensors')


@pytest.mark.parametrize('metadata', [None, {'format': 'pt'}, {checkpoint.KEY: 'not json'}, {checkpoint.KEY: '[1]'}])
def test_safetensors_of_another_program_are_refused(tmp_path, metadata):
    path = tmp_path / 'other.safetensors'
    save_file({'x': torch.zeros(3)}, path, metadata=metadata)
    assert 'of another program' in refusal(path)


def test_a_newer_format_is_refused(tmp_path):
    path = tmp_path / 'newer.safetensors'
    save_file({'x': torch.zeros(3)}, path, metadata={checkpoint.KEY: json.dumps({'format': 99})})
    assert 'has format 99; this version reads 1' in refusal(path)


def test_another_architecture_is_refused(tmp_path):
    assert "for the network 'transformer'" in refusal(write(tmp_path / 'a.safetensors', network='transformer'))


@pytest.mark.parametrize(
    'settings', [{'depth': 3}, {'channels': 5, 'blocks': [1]}, {'channels': [1], 'blocks': []}, None]
)
def test_model_settings_that_make_no_network_are_refused(tmp_path, settings):
    assert 'model settings' in refusal(write(tmp_path / 'a.safetensors', model_settings=settings))


def test_a_header_without_crop_geometry_is_refused(tmp_path):
    assert 'crop_size' in refusal(write(tmp_path / 'a.safetensors', crop_size='large'))


def altered(path, change):
    """The checkpoint at `path` with `change` applied to its dictionary of tensors."""
    tensors, header = checkpoint.read_safetensors(write(path))
    change(tensors)
    checkpoint.write_safetensors(path, tensors, header)
    return path


def test_a_missing_tensor_is_refused(tmp_path):
    path = altered(tmp_path / 'a.safetensors', lambda tensors: tensors.pop('stem.conv.weight'))
    assert 'lacks tensor stem.conv.weight' in refusal(path)


def test_an_unknown_tensor_is_refused(tmp_path):
    path = altered(tmp_path / 'a.safetensors', lambda tensors: tensors.update(lstm=torch.zeros(2)))
    assert 'has unknown tensor lstm' in refusal(path)


def test_a_tensor_of_the_wrong_shape_is_refused(tmp_path):
    path = altered(tmp_path / 'a.safetensors', lambda tensors: tensors.update({'head.linear.bias': torch.zeros(7)}))
    assert 'head.linear.bias is (7,); wanted (13,)' in refusal(path)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
def test_weights_that_are_no_numbers_are_refused(tmp_path, value):
    path = altered(tmp_path / 'a.safetensors', lambda tensors: tensors['head.linear.bias'].fill_(value))
    assert 'head.linear.bias holds NaN or infinite numbers' in refusal(path)


def test_installed_models_are_listed_with_scores_and_terms_and_damaged_ones_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, 'WEIGHTS', tmp_path)
    scores = {'test': {'lfw_auc': {'value': 0.99, 'interval': [0.98, 1.0], 'n': 9}}}
    write(tmp_path / 'good.safetensors', scores=scores)
    (tmp_path / 'bad.safetensors').write_bytes(b'junk')
    lines = checkpoint.installed_report().splitlines()
    bad, good = json.loads(lines[-1])['models']
    assert (good['name'], good['scores'], good['terms']) == ('good', scores, {'none': 'random weights'})
    assert 'not a readable safetensors file' in bad['error']
    assert any('smile or not' in line and '0.990' in line and '0.980 to 1.000' in line for line in lines)


def test_list_of_models_shows_main_scores_in_words_and_counts_the_others(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, 'WEIGHTS', tmp_path)
    names = 'ferplus_auc', 'lfw_auc', 'onset_delay_p95_s', 'lfw_grading', 'diffusionfer_valence_ccc'
    write(tmp_path / 'a.safetensors', scores={'test': {n: {'value': 0.9, 'interval': [0.8, 1.0]} for n in names}})
    people, _, last = checkpoint.installed_report().rpartition('\n')
    assert people.count('95 %') == 3
    assert 'lfw' not in people
    assert '2 more scores' in people
    assert set(json.loads(last)['models'][0]['scores']['test']) == set(names)


def test_score_without_a_finite_value_is_told_in_words(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, 'WEIGHTS', tmp_path)
    write(tmp_path / 'a.safetensors', scores={'test': {'delay_s': {'value': None, 'interval': [0.05, None]}}})
    line = next(line for line in checkpoint.installed_report().splitlines() if 'delay_s' in line)
    assert line.split() == ['delay_s', 'not', 'finite', '(95', '%:', '0.050', 'or', 'more)']


def test_with_nothing_installed_the_list_says_how_to_train(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, 'WEIGHTS', tmp_path)
    assert 'affect-perception train' in checkpoint.installed_report()


def test_a_model_name_cannot_leave_the_weights_folder_by_accident():
    with pytest.raises(ConfigError, match='no model'):
        checkpoint.load('first.pt')


@pytest.mark.parametrize(
    'settings',
    [
        {'channels': [8000] * 4},
        {'blocks': [60000, 1, 1, 1]},
        {'hidden': 10**12},
        {'hidden': 65000},
        {'hidden': float('nan')},
        {'blocks': [1] * 10**5, 'channels': [8] * 10**5},
    ],
    ids=['channels', 'blocks', 'number', 'hidden', 'nan', 'many'],
)
def test_network_larger_than_its_file_is_refused_before_memory_is_taken_for_it(tmp_path, settings):
    path = write(tmp_path / 'bomb.safetensors', model_settings=settings)
    code = (
        'import resource, sys, torch; from affect_perception.models import checkpoint\n'
        'limit = 2**29 + 1024 * int(open("/proc/self/statm").read().split()[0]) * 4\n'
        'resource.setrlimit(resource.RLIMIT_AS, (limit, limit)); resource.setrlimit(resource.RLIMIT_CPU, (60, 60))\n'
        'checkpoint.load(sys.argv[1])'
    )
    done = subprocess.run([sys.executable, '-c', code, str(path)], capture_output=True, text=True, check=False)
    assert 'ConfigError' in done.stderr
    assert 'allocate' not in done.stderr
    assert path.name in done.stderr


@pytest.mark.parametrize('geometry', [{'crop_size': 10**9}, {'crop_size': True}, {'crop_margin': 1e300}])
def test_crops_that_no_memory_holds_are_refused(tmp_path, geometry):
    assert 'crop_size' in refusal(write(tmp_path / 'a.safetensors', **geometry))


def test_shipped_network_is_loaded_without_the_compiler_of_torch():
    code = (
        'import sys; from affect_perception.models import checkpoint; checkpoint.load("smile_va"); '
        'print("torch._dynamo" in sys.modules)'
    )
    said = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True, timeout=240).stdout
    assert said.strip() == 'False'
