"""Backbones of torchvision: its weights fit, by file; other files are refused."""

import pytest
import torch
from builders.papers import needs_torchvision

from affect_perception.errors import ConfigError
from affect_perception.models.backbones.torchvision_nets import Backbone, torchvision

pytestmark = needs_torchvision('qian2023')


@pytest.mark.parametrize(('name', 'size'), [('vgg16', 4096), ('resnet18', 512), ('resnet50', 2048)])
def test_tensors_have_torchvisions_names_and_shapes_without_the_classifier(name, size):
    with torch.device('meta'):
        ours = Backbone(name)
        theirs = getattr(torchvision().models, name)().state_dict()
    given = {key: tensor.shape for key, tensor in ours.net.state_dict().items()}
    heads = {key for key in theirs if key.startswith(('classifier.6.', 'fc.'))}
    assert given == {key: tensor.shape for key, tensor in theirs.items() if key not in heads}
    assert ours.size == size


def test_weights_of_torchvisions_layout_load_from_a_file(tmp_path):
    torch.manual_seed(0)
    source = Backbone('resnet18', width=1 / 16)
    torch.save(source.net.state_dict() | {'fc.weight': torch.zeros(1000, 32)}, tmp_path / 'net.pth')
    target = Backbone('resnet18', width=1 / 16).eval()
    report = target.load_weights(str(tmp_path / 'net.pth'))
    assert not report.missing
    assert not report.extra
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(target(x), source.eval()(x))


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(Backbone('resnet18', width=1 / 16).net.state_dict(), tmp_path / 'net.pth')
    with pytest.raises(ConfigError, match=r'does not fit resnet50: .* missing'):
        Backbone('resnet50', width=1 / 16).load_weights(str(tmp_path / 'net.pth'))


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match="no backbone 'vgg'"):
        Backbone('vgg')
    with pytest.raises(ConfigError, match=r'torchvision has no weights .* it has IMAGENET1K_V1'):
        Backbone('resnet18', width=1 / 16).load_weights('torchvision:faces')
