"""The state of a training run: saved, loaded, never pickled.

Batches and all chance are functions of (seed, step), so the step number is the state of the random generators; the
learning rate is a function of the step. What is left is weights, averages and the moments of the optimisers.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from affect_perception.errors import ConfigError
from affect_perception.models.checkpoint import read_safetensors, write_safetensors
from affect_perception.training.settings import TrainingSettings

# Settings that may differ between a run and its continuation: they do not change the result.
_FREE = (
    *('data', 'prepared', 'save_every', 'tensorboard', 'device', 'bf16', 'threads', 'workers'),
    *('level_clips', 'min_confidence'),  # read after training
    *('image_data', 'tune_data', 'cache_mb'),  # of the papers' networks
)
# Settings that only the second part of training reads: they may differ when the first part is continued.
FILM_SETTINGS = tuple(
    name
    for name in (f.name for f in dataclasses.fields(TrainingSettings))
    if name.startswith(('graded_', 'still_', 'film_')) or name in ('steadiness', 'tolerance')
)


class TrainingState:
    """Weights in training, their running average (`ema`), the optimiser, and the best average seen on validation."""

    def __init__(
        self, model: Any, settings: Any, optimisers: Mapping[str, torch.optim.Optimizer] | None = None
    ) -> None:
        """Begin training `model`; `optimisers` by name share no parameter, AdamW of all trainable ones by default."""
        self.settings = settings
        self.step = 0
        self.seconds = 0.0  # spent in training, over all continuations
        self.model = model
        self.ema = copy.deepcopy(model).eval().requires_grad_(False)
        self.best = copy.deepcopy(self.ema.state_dict())
        self.history: list[dict] = []  # one row per finished epoch
        if optimisers is None:
            optimisers = {'all': self._adamw()}
        self.optimisers = dict(optimisers)
        self.optimiser = next(iter(self.optimisers.values()))

    def _adamw(self) -> torch.optim.Optimizer:
        settings = self.settings
        taught = [p for p in self.model.parameters() if p.requires_grad]
        plain = [p for p in taught if p.ndim < 2]  # biases, normalisation, thresholds: no decay
        decayed = [p for p in taught if p.ndim >= 2]
        groups = [{'params': decayed, 'weight_decay': settings.weight_decay}, {'params': plain, 'weight_decay': 0.0}]
        return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.99))

    @torch.no_grad()
    def average(self) -> None:
        """Move the averages one step towards the weights; faster at first, when there is little to average."""
        decay = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        pairs = list(zip(self.ema.state_dict().values(), self.model.state_dict().values(), strict=True))
        moving = [(kept, new) for kept, new in pairs if kept.is_floating_point()]
        kept_all, new_all = ([pair[k] for pair in moving] for k in (0, 1))
        torch._foreach_lerp_(kept_all, new_all, 1 - decay)  # one call: on a GPU each takes longer to start than to run
        for kept, new in pairs:
            if not kept.is_floating_point():
                kept.copy_(new)

    def end_epoch(self, scores: dict[str, float]) -> bool:
        """Note the validation scores of an epoch; True when they are the best so far, whose weights are then kept."""
        better = not self.history or scores['choice'] > max(row['choice'] for row in self.history)
        self.history.append(scores)
        if better:
            self.best = copy.deepcopy(self.ema.state_dict())
        return better

    def out_of_patience(self) -> bool:
        """Have `patience` epochs gone by without a better score? (0: never)"""
        best = max(range(len(self.history)), key=lambda i: self.history[i]['choice'], default=0)
        return 0 < self.settings.patience < len(self.history) - best

    def save(self, path: Path) -> None:
        """Write weights, averages, optimiser state and scores to a safetensors file."""
        tensors: dict[str, torch.Tensor] = {}
        for kind, content in self._parts().items():
            tensors |= {f'{kind}/{name}': tensor for name, tensor in content.items()}
        header = {'format': 1, 'step': self.step, 'seconds': self.seconds, 'history': self.history}
        write_safetensors(path, tensors, header | {'settings': dataclasses.asdict(self.settings)})

    def load(self, path: Path, free: tuple[str, ...] = ()) -> None:
        """Continue where `save` was called; ConfigError when that run had other settings, but for those in `free`."""
        tensors, header = read_safetensors(path)
        mine = dataclasses.asdict(self.settings)
        theirs = dataclasses.asdict(type(self.settings)()) | header.get('settings', {})
        for name in mine:
            if name not in (*_FREE, *free) and mine[name] != theirs.get(name):
                raise ConfigError(
                    f'{path} was trained with {name} = {theirs.get(name)!r}, now it is {mine[name]!r}; '
                    'resume with the same training file, or start without --resume'
                )
        self.step, self.history, self.seconds = header['step'], header['history'], header.get('seconds', 0.0)
        self._start_moments({name for name, _ in self.model.named_parameters() if f'optimiser/{name}/step' in tensors})
        try:
            for kind, content in self._parts().items():
                for name, tensor in content.items():
                    tensor.data.copy_(tensors[f'{kind}/{name}'])
        except (KeyError, RuntimeError) as error:
            raise ConfigError(f'{path} does not fit the network {self.settings.model}: {error}') from None

    def _parts(self) -> dict[str, dict[str, Tensor]]:
        """Every tensor of the state, by kind and name; the tensors are the live ones."""
        moments = {}
        for name, parameter in self.model.named_parameters():
            for optimiser in self.optimisers.values():
                for key, value in optimiser.state.get(parameter, {}).items():
                    moments[f'{name}/{key}'] = value
        return {
            'model': self.model.state_dict(),
            'ema': self.ema.state_dict(),
            'best': self.best,
            'optimiser': moments,
        }

    def _start_moments(self, names: set[str]) -> None:
        """Let the optimisers make the moments of the parameters `names`, to have something to load into.

        The others (heads that nothing teaches yet) never had any. The weights are overwritten right after.
        """
        for name, parameter in self.model.named_parameters():
            parameter.grad = torch.zeros_like(parameter) if name in names else None
        for optimiser in self.optimisers.values():
            optimiser.step()
            optimiser.zero_grad()
