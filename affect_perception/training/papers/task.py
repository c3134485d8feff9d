"""Task of the training loop for a network of a paper: steps over micro batches and players, validation scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from affect_perception.models.blocks.late_fusion import weighted_accuracy
from affect_perception.models.blocks.objectives import METRICS
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.training import distributed
from affect_perception.training.papers.augmentation import augmented, mirrored
from affect_perception.training.papers.clip_data import CLASS_TARGETS, ClipData, loss_weights
from affect_perception.training.papers.settings import PaperSettings
from affect_perception.training.papers.stages import Stage, backbones, frozen
from affect_perception.training.schedule import one_cycle, refuse_nan
from affect_perception.training.state import TrainingState

Change = Callable[[dict[str, Tensor]], None]


class Batcher:
    """Batches and targets of a split on the device of `model`; embeddings of a frozen backbone are computed once."""

    def __init__(self, clips: ClipData, model: SequenceModel, settings: PaperSettings) -> None:
        self.clips, self.settings = clips, settings
        self.device = next(model.parameters()).device
        self._embeddings: Tensor | None = None
        self._place: np.ndarray | None = None
        used = np.unique(clips.rows)
        if (
            frozen(model)
            and model.inputs.side
            and not clips.images
            and len(used) * model.embedding_size * 4e-6 <= settings.cache_mb
        ):
            self._place = np.searchsorted(used, clips.rows)
            self._embeddings = self._embedded(model, used)

    @torch.inference_mode()
    def _embedded(self, model: SequenceModel, rows: np.ndarray) -> Tensor:
        """Embeddings (R, E) of crops, without augmentation, in eval mode."""
        training = model.training
        model.eval()
        found = torch.empty(len(rows), model.embedding_size)
        for start in tqdm(range(0, len(rows), 256), 'embeddings', unit='batch', mininterval=5.0, disable=None):
            crops = torch.from_numpy(self.clips.data.read(rows[start : start + 256])).to(self.device)
            found[start : start + 256] = model.features(model.preprocess(crops)).float().cpu()
        model.train(training)
        return found.clone()

    def batch(
        self, model: SequenceModel, index: Tensor, generator: torch.Generator | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Batch and targets of the samples `index`; `generator` draws augmentation, without it there is none."""
        targets = {name: value[index].to(self.device) for name, value in self.clips.targets.items()}
        batch: dict[str, Tensor] = {}
        if self._embeddings is not None and self._place is not None:
            batch['embeddings'] = self._embeddings[torch.from_numpy(self._place[index.numpy()])].to(self.device)
        elif model.inputs.side:
            crops = self.clips.crops(index).to(self.device)
            images = model.preprocess(crops.flatten(0, 1))
            images = images.contiguous()  # channels last, oneDNN's backward pass of narrow networks breaks the heap
            images = images.reshape(*crops.shape[:2], 3, *images.shape[2:])
            if self.clips.images:
                images = images[:, 0]
            batch['images'] = images
            if generator is not None:
                if self.settings.mirror:
                    batch['images'] = mirrored(batch['images'], generator)
                if self.settings.augmentation:
                    batch |= augmented(model, batch['images'], generator)
        if self.clips.sound is not None:
            add_sound(batch, self.clips.sound[index].to(self.device), model)
        return batch, targets


def add_sound(batch: dict[str, Tensor], sound: Tensor, model: SequenceModel) -> None:
    """Add `audio` and where it is absent (NaN) to a batch, as the network wants it."""
    kind = model.inputs.audio_steps
    if kind == 'clip':
        batch['audio'] = sound
        return
    absent = sound.isnan().any(-1)
    batch['audio'] = sound.nan_to_num(0)
    if kind == 'free':
        batch['audio_mask'] = ~absent
    elif sound.dim() == 3:
        batch['audio_there'] = ~absent


class PaperTask:
    """Task of the loop: one stage of a paper's network on `train`, chosen by scores of `val`."""

    def __init__(
        self, model: SequenceModel, stage: Stage, train: ClipData, val: ClipData, settings: PaperSettings
    ) -> None:
        self.name = '' if stage.name == 'all' else stage.name
        self.settings, self.epochs, self._stage = settings, stage.epochs, stage
        self._train, self._val = Batcher(train, model, settings), Batcher(val, model, settings)
        self._weigh: Change = loss_weights(model, train, settings)
        self.size = min(settings.batch, len(train))
        self.per_epoch = len(train) // self.size
        self._order: tuple[int, Tensor] = (-1, torch.empty(0))

    def step(self, state: TrainingState) -> Tensor:
        """Train each player that is due on the batch of `state.step`; returns the loss of the first."""
        settings, step, model = self.settings, state.step, state.model
        self._set_rates(state)
        model.train()
        if frozen(model):
            for part in backbones(model):
                part.eval()
        torch.manual_seed(settings.seed * 1_000_003 + step)  # dropout
        first: Tensor | None = None
        for number, (player, optimiser) in enumerate(state.optimisers.items()):
            if number and step % settings.discriminator_steps:
                continue
            model.zero_grad(set_to_none=True)
            loss = self._accumulated(state, None if player == 'all' else player, step)
            distributed.average_gradients(model)
            if settings.clip_gradient:
                torch.nn.utils.clip_grad_norm_(model.parameters_of(player), settings.clip_gradient)
            optimiser.step()
            first = loss if first is None else first
        assert first is not None
        distributed.from_first(dict(model.named_buffers()))
        state.step += 1
        state.average()
        return first

    def _accumulated(self, state: TrainingState, player: str | None, step: int) -> Tensor:
        """Add up the gradients of the micro batches, each with its share of the labels; returns the mean loss."""
        settings, model = self.settings, state.model
        parts = list(self._micro(model, step))
        labels = [labelled(targets) for _, targets in parts]
        whole = max(distributed.total(sum(labels), self._train.device) / distributed.size(), 1.0)
        mean = torch.zeros((), device=self._train.device)
        for (batch, targets), count in zip(parts, labels, strict=True):
            with torch.autocast(self._train.device.type, torch.bfloat16, enabled=settings.bf16):
                outputs = model(batch, player)
            outputs = {name: value.float() if value.is_floating_point() else value for name, value in outputs.items()}
            loss, _ = model.loss(outputs, targets, player or 'all')
            refuse_nan(loss, step, f'of {self._train.clips.data.root}', settings)
            loss = loss * (count / whole)
            if loss.requires_grad:
                loss.backward()
            mean += loss.detach()
        return mean

    def _micro(self, model: SequenceModel, step: int) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
        """Micro batches of this process at `step`, all of them functions of (seed, step)."""
        settings = self.settings
        epoch, at = divmod(step, self.per_epoch)
        if self._order[0] != epoch:
            generator = torch.Generator().manual_seed(settings.seed * 7919 + epoch)
            self._order = epoch, torch.randperm(len(self._train.clips), generator=generator)
        mine = self._order[1][at * self.size : (at + 1) * self.size][distributed.rank() :: distributed.size()]
        for number, index in enumerate(mine.split(settings.micro_batch or max(len(mine), 1))):
            seed = (settings.seed * 1_000_003 + step) * 1009 + number * distributed.size() + distributed.rank()
            batch, targets = self._train.batch(model, index, torch.Generator().manual_seed(seed % 2**63))
            self._weigh(targets)
            yield batch, targets

    def _set_rates(self, state: TrainingState) -> None:
        settings, step = self.settings, state.step
        rate = settings.learning_rate * self._stage.rate
        if settings.schedule == 'one_cycle':
            rate = one_cycle(step, self.epochs * self.per_epoch, 0.15, rate)
        else:
            rate *= settings.rate_factor ** (step // self.per_epoch)
        for optimiser in state.optimisers.values():
            for group in optimiser.param_groups:
                group['lr'] = rate

    def scores(self, state: TrainingState, epoch: int) -> dict[str, float] | None:
        """Validation loss and metrics; `choice` is the one that chooses the epoch, higher is better."""
        if epoch % self.settings.score_every and epoch != self.epochs:
            return None
        outputs, targets, loss = predict(state.ema, self._val, self.settings)
        scores = metric_scores(state.ema, outputs, targets)
        if loss is not None:
            scores['val_loss'] = loss
        scores['choice'] = self._choice(state.ema, scores, outputs, targets)
        return scores

    def _choice(
        self, model: SequenceModel, scores: dict[str, float], outputs: dict[str, Tensor], targets: dict[str, Tensor]
    ) -> float:
        choose = self.settings.choose or next(iter(model.metrics))
        if choose == 'loss':
            return -scores['val_loss']
        if choose == 'weighted_accuracy':
            classes = len(model.expressions)
            counts = [int(n) for n in self.settings.test_counts.split(',')] if self.settings.test_counts else []
            said, true = outputs['expression'].argmax(-1).numpy(), targets['expression'].numpy()
            seen = [int((true == i).any()) for i in range(classes)]
            scores[choose] = weighted_accuracy(said[true >= 0], true[true >= 0], counts or seen)
        return scores[choose]


def labelled(targets: dict[str, Tensor]) -> int:
    """Number of labelled entries of the first target, by which a loss is averaged."""
    name, target = next(iter(targets.items()))
    return int((target >= 0).sum() if name in CLASS_TARGETS else (~target.isnan()).sum())


@torch.no_grad()
def predict(
    model: SequenceModel, batcher: Batcher, settings: PaperSettings, change: Change | None = None
) -> tuple[dict[str, Tensor], dict[str, Tensor], float | None]:
    """Outputs and targets (W, ...) of all samples, in eval mode and float32, and the mean loss (None: adversarial).

    `change` alters each batch before it is read (missing modalities).
    """
    model.eval()
    names = {*model.metrics.values()}
    outputs: dict[str, list[Tensor]] = {}
    loss, labels = 0.0, 0
    size = settings.micro_batch or min(settings.batch, 64)
    for index in torch.arange(len(batcher.clips)).split(size):
        batch, targets = batcher.batch(model, index)
        if change is not None:
            change(batch)
        found = model(batch)
        for name in found.keys() & (names | {'audio'}):
            outputs.setdefault(name, []).append(found[name].float().cpu())
        if len(model.players) == 1:
            count = labelled(targets)
            loss += float(model.loss(found, targets)[0]) * count
            labels += count
    joined = {name: torch.cat(parts) for name, parts in outputs.items()}
    return joined, batcher.clips.targets, loss / max(labels, 1) if labels else None


def metric_scores(model: SequenceModel, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, float]:
    """The network's own metrics over a split."""
    return {metric: METRICS[metric](outputs[name], targets[name]) for metric, name in model.metrics.items()}
