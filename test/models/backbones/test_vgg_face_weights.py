"""VGG-Face weights from users' files: every layout gives the same network; other files are refused with a report."""

import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.io import savemat
from torch.nn import functional

from affect_perception.errors import ConfigError
from affect_perception.models.backbones.vgg_face import MEAN_RGB, layer_names
from affect_perception.models.witzig2019 import Witzig2019

WIDTH = 1 / 32
TORCHVISION_AT = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)  # places of vgg16().features' convolutions


def network() -> Witzig2019:
    return Witzig2019(width=WIDTH, hidden=4)


@pytest.fixture
def tensors() -> dict[str, torch.Tensor]:
    """Tensors conv1_1.weight … fc6.bias, RGB; fc6 is VGG-Face's own, for 224×224."""
    torch.manual_seed(5)
    convolutions = [m for m in network().cnn if isinstance(m, torch.nn.Conv2d)]
    made = {}
    for name, module in zip(layer_names(), convolutions, strict=True):
        made[f'{name}.weight'], made[f'{name}.bias'] = torch.rand_like(module.weight), torch.rand_like(module.bias)
    size = convolutions[-1].out_channels
    return made | {'fc6.weight': torch.rand(128, size, 7, 7), 'fc6.bias': torch.rand(128)}


def varint(value: int) -> bytes:
    out = b''
    while value > 0x7F:
        out, value = out + bytes([value & 0x7F | 0x80]), value >> 7
    return out + bytes([value])


def message(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def caffemodel(tensors: dict[str, torch.Tensor], old: bool) -> bytes:
    """NetParameter with a layer per name: V1 layers and four-number shapes if `old`, else layers and BlobShapes."""
    net = message(1, b'VGG_FACE')
    for name in dict.fromkeys(key.split('.')[0] for key in tensors):
        blobs = b''
        for part in ('weight', 'bias'):
            values = tensors[f'{name}.{part}'].numpy()
            if old:
                shape = (*[1] * (4 - values.ndim), *values.shape)
                head = b''.join(varint(i << 3) + varint(n) for i, n in enumerate(shape, 1))
            else:
                head = message(7, message(1, b''.join(varint(n) for n in values.shape)))
            blobs += message(6 if old else 7, head + message(5, values.astype('<f4').tobytes()))
        net += message(2 if old else 100, message(4 if old else 1, name.encode()) + blobs)
    return net


def matconvnet(tensors: dict[str, torch.Tensor]) -> np.ndarray:
    names = list(dict.fromkeys(key.split('.')[0] for key in tensors))
    layers = np.empty(len(names) + 1, object)
    layers[-1] = {'name': 'relu1_1', 'type': 'relu'}
    for i, name in enumerate(names):
        weights = np.empty(2, object)
        weights[0] = tensors[f'{name}.weight'].numpy().transpose(2, 3, 1, 0)
        weights[1] = tensors[f'{name}.bias'].numpy()[None]
        layers[i] = {'name': name, 'type': 'conv', 'weights': weights}
    return layers


def bgr(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return tensors | {'conv1_1.weight': tensors['conv1_1.weight'].flip(1).contiguous()}


def renamed(tensors: dict[str, torch.Tensor], pattern: str, fc6: str) -> dict[str, torch.Tensor]:
    return {
        f'{fc6 if key.startswith("fc6") else pattern.format(key[4], key[6])}.{key.split(".")[1]}': value
        for key, value in tensors.items()
    }


LAYOUTS = {
    'dag.pth': lambda t, p: torch.save(t, p),
    'parallel.pt': lambda t, p: torch.save({'state_dict': {f'module.{k}': v for k, v in t.items()}}, p),
    'plain.safetensors': lambda t, p: save_file({k: v.flatten(1) if k == 'fc6.weight' else v for k, v in t.items()}, p),
    'lua.pth': lambda t, p: torch.save(renamed(bgr(t), 'conv_{}_{}', 'fc6'), p),
    'lua_dict.pth': lambda t, p: torch.save(renamed(bgr(t), 'features.conv_{}_{}', 'fc.fc6'), p),
    'vgg-face.mat': lambda t, p: savemat(p, {'layers': matconvnet(t)}),
    'vgg_face_net.mat': lambda t, p: savemat(p, {'net': {'layers': matconvnet(t)}}),
    'old.caffemodel': lambda t, p: p.write_bytes(caffemodel(bgr(t), True)),
    'new.caffemodel': lambda t, p: p.write_bytes(caffemodel(bgr(t), False)),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_every_layout_gives_the_same_network(layout, tensors, tmp_path):
    path = tmp_path / layout
    LAYOUTS[layout](tensors, path)
    fresh = network()
    report = fresh.load_vgg_face(path, rescale=False)
    assert len(report.loaded) == 26
    assert 'fc6.weight: file (128, ' in ' '.join(report.different)
    convolutions = [m for m in fresh.cnn if isinstance(m, torch.nn.Conv2d)]
    for name, module in zip(layer_names(), convolutions, strict=True):
        assert torch.equal(module.weight, tensors[f'{name}.weight'])
        assert torch.equal(module.bias, tensors[f'{name}.bias'])


def test_torchvision_names_are_those_of_imagenet(tensors, tmp_path):
    content = {}
    for at, name in zip(TORCHVISION_AT, layer_names(), strict=True):
        content |= {f'features.{at}.{part}': tensors[f'{name}.{part}'] for part in ('weight', 'bias')}
    content |= {'classifier.0.weight': torch.zeros(4, 4), 'classifier.6.bias': torch.zeros(1000)}
    torch.save(content, tmp_path / 'vgg16-397923af.pth')
    fresh = network()
    assert len(fresh.load_vgg_face(tmp_path / 'vgg16-397923af.pth').loaded) == 26
    x = torch.rand(1, 3, 8, 8)
    standard = (x - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    wanted = functional.conv2d(standard, tensors['conv1_1.weight'], tensors['conv1_1.bias'])
    assert torch.allclose(functional.conv2d(x * 2 - 1, fresh.cnn[0].weight, fresh.cnn[0].bias), wanted, atol=1e-4)


def test_pixels_from_minus_one_to_one_give_what_vgg_face_makes_of_pixels_minus_their_mean(tensors, tmp_path):
    torch.save(tensors, tmp_path / 'vgg.pth')
    fresh = network()
    fresh.load_vgg_face(tmp_path / 'vgg.pth')
    pixels = torch.randint(0, 256, (1, 3, 8, 8)).float()
    mean = torch.tensor(MEAN_RGB)[:, None, None]
    wanted = functional.conv2d(pixels - mean, tensors['conv1_1.weight'], tensors['conv1_1.bias'])
    given = functional.conv2d(pixels / 127.5 - 1, fresh.cnn[0].weight, fresh.cnn[0].bias)
    assert torch.allclose(given, wanted, rtol=1e-4, atol=1e-2)


def test_an_fc6_for_96_pixels_is_loaded(tensors, tmp_path):
    fitting = tensors | {'fc6.weight': torch.rand(network().fc6.weight.shape)}
    torch.save(fitting, tmp_path / 'vgg.pth')
    fresh = network()
    assert 'fc6.weight' in fresh.load_vgg_face(tmp_path / 'vgg.pth').loaded
    assert torch.equal(fresh.fc6.weight, fitting['fc6.weight'])


def test_a_file_of_another_network_is_refused_with_all_differences_and_changes_nothing(tensors, tmp_path):
    del tensors['conv3_2.bias']
    other = tensors | {'conv2_1.weight': torch.zeros(7, 2, 3, 3), 'mouth.weight': torch.zeros(2)}
    torch.save(other, tmp_path / 'other.pth')
    fresh = network()
    before = {name: tensor.clone() for name, tensor in fresh.state_dict().items()}
    with pytest.raises(ConfigError) as error:
        fresh.load_vgg_face(tmp_path / 'other.pth')
    text = str(error.value)
    assert '2 missing (conv3_2.bias, fc6.bias)' in text
    assert '1 extra (mouth.weight)' in text
    assert 'conv2_1.weight: file (7, 2, 3, 3), network (4, 2, 3, 3)' in text
    assert all(torch.equal(before[name], tensor) for name, tensor in fresh.state_dict().items())


def test_weights_that_are_no_numbers_are_refused(tensors, tmp_path):
    torch.save(tensors | {'conv1_2.bias': torch.full_like(tensors['conv1_2.bias'], torch.nan)}, tmp_path / 'nan.pth')
    with pytest.raises(ConfigError, match=r'conv1_2.bias: NaN'):
        network().load_vgg_face(tmp_path / 'nan.pth')


class Harmful:
    """Object whose unpickling would run code."""

    def __reduce__(self):
        return (print, ('code from a file ran',))


@pytest.mark.parametrize('suffix', ['.pth', '.mat', '.caffemodel', '.safetensors'])
def test_missing_damaged_and_unsafe_files_are_refused_in_one_line(tmp_path, suffix, capsys):
    path = tmp_path / f'vgg{suffix}'
    with pytest.raises(ConfigError, match='no weights at'):
        network().load_vgg_face(path)
    for content in (b'', b'not tensors at all', struct.pack('<QQ', 3, 2**40), b'\xff' * 64):
        path.write_bytes(content)
        with pytest.raises(ConfigError) as error:
            network().load_vgg_face(path)
        assert '\n' not in str(error.value)
    if suffix == '.pth':
        torch.save({'conv1_1.weight': Harmful()}, path)
        with pytest.raises(ConfigError, match='no readable file of tensors'):
            network().load_vgg_face(path)
    assert 'code from a file ran' not in capsys.readouterr().out


def test_a_truncated_caffe_file_is_refused(tensors, tmp_path):
    path = tmp_path / 'cut.caffemodel'
    path.write_bytes(caffemodel(tensors, False)[:-10])
    with pytest.raises(ConfigError, match='the file ends inside a field'):
        network().load_vgg_face(path)
