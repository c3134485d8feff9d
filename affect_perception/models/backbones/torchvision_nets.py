"""VGG-16 and ResNets of torchvision (extra `papers`) without their classifier, with torchvision's tensor names.

Weights come from a user's file of torchvision's layout or, when asked for by name (`torchvision:IMAGENET1K_V1`), from
torchvision's own loader, which downloads. `width` scales the number of channels, for tests and small trainings.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from affect_perception.errors import ConfigError
from affect_perception.models.backbones.weight_files import LoadReport, load_matching, read_tensors
from affect_perception.runtime.imports.torchvision_import import import_torchvision

DOWNLOAD = 'torchvision:'
BACKBONES = ('vgg16', 'resnet18', 'resnet50')


def torchvision() -> Any:
    """Import torchvision (`runtime.imports.torchvision_import`); ConfigError says how to install it."""
    try:
        return import_torchvision()
    except ImportError:
        raise ConfigError(
            'the backbones of this network need torchvision; pip install "affect-perception[papers]"'
        ) from None


class Backbone(nn.Module):
    """Backbone `name` of BACKBONES: images (N, 3, H, W) to embeddings (N, `size`); H and W at least 32."""

    def __init__(self, name: str, width: float = 1.0) -> None:
        super().__init__()
        if name not in BACKBONES:
            raise ConfigError(f'no backbone {name!r}; choose one of {", ".join(BACKBONES)}')
        self.name = name
        if name == 'vgg16':
            self.net: nn.Module = _Vgg16(width)
            self.size = int(self.net.size)
        else:
            self.net, self.size = _resnet(name, width)

    def forward(self, x: Tensor) -> Tensor:
        """Embeddings (N, size): VGG-16's second fully connected layer, or a ResNet's average-pooled last maps."""
        embedding: Tensor = self.net(x)
        return embedding

    def load_weights(self, source: str) -> LoadReport:
        """Load a file, or `torchvision:NAME`, which downloads; the classifier is left out. ConfigError if unfit."""
        if source.startswith(DOWNLOAD):
            models = torchvision().models
            try:
                tensors = models.get_model_weights(self.name)[source.removeprefix(DOWNLOAD)].get_state_dict()
            except KeyError:
                names = ', '.join(models.get_model_weights(self.name).__members__)
                raise ConfigError(f'torchvision has no weights {source!r} for {self.name}; it has {names}') from None
        else:
            tensors = read_tensors(source)
        heads = ('classifier.6.', 'fc.')
        return load_matching(
            self.net, {k: v for k, v in tensors.items() if not k.startswith(heads)}, source, required=self.name
        )


class _Vgg16(nn.Module):
    """VGG-16 up to the second of its three fully connected layers, named as in torchvision."""

    def __init__(self, width: float) -> None:
        super().__init__()
        vgg = torchvision().models.vgg
        plan: list[Any] = [v if isinstance(v, str) else max(round(v * width), 1) for v in vgg.cfgs['D']]
        self.features = vgg.make_layers(plan)
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.size = max(round(4096 * width), 1)
        inputs = plan[-2] * 49
        self.classifier = nn.Sequential(
            nn.Linear(inputs, self.size), nn.ReLU(True), nn.Dropout(), nn.Linear(self.size, self.size), nn.ReLU(True)
        )

    def forward(self, x: Tensor) -> Tensor:
        embedding: Tensor = self.classifier(self.avgpool(self.features(x)).flatten(1))
        return embedding


def _resnet(name: str, width: float) -> tuple[nn.Module, int]:
    """ResNet of torchvision whose last layer returns its input; width other than 1 scales every stage, not the stem."""
    resnet: Any = torchvision().models.resnet
    block, counts = {'resnet18': (resnet.BasicBlock, [2, 2, 2, 2]), 'resnet50': (resnet.Bottleneck, [3, 4, 6, 3])}[name]

    class ScaledResNet(resnet.ResNet):
        def _make_layer(self, block: Any, planes: int, *args: Any, **kwargs: Any) -> Any:
            return super()._make_layer(block, max(round(planes * width), 1), *args, **kwargs)

    net = resnet.ResNet(block, counts) if width == 1 else ScaledResNet(block, counts)
    net.fc = nn.Identity()
    return net, max(round(512 * width), 1) * block.expansion
