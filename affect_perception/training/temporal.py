"""The second part of training: the recurrent layers learn to read films, over a CNN that stays as it is.

Called by `train.main` for networks that have `over_time`. Resumable like the first part, from a state of its own.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from affect_perception.models.smile_va import AffectOutput
from affect_perception.training import loop
from affect_perception.training.data.face_sets import CIRCUMPLEX, EXPRESSIONS, Sets
from affect_perception.training.losses import (
    affect_loss,
    expression_loss,
    is_right,
    mean_of,
    ranking_loss,
    smile_loss,
    wanted_intensity,
)
from affect_perception.training.schedule import one_cycle, refuse_nan
from affect_perception.training.scoring.temporal_probe import Probe
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.state import TrainingState
from affect_perception.training.synthetic.sequences import Bank, banks

HAPPINESS, NEUTRAL = EXPRESSIONS.index('happiness'), EXPRESSIONS.index('neutral')


def film_loss(output: AffectOutput, bank: Bank, settings: TrainingSettings) -> Tensor:
    """Loss of the outputs (M, T, ...) of a batch of films."""
    still = bank.face & ~bank.graded
    loss = output.score.new_zeros(())
    if bank.graded.any():
        loss = loss + graded_loss(output, bank, settings.steadiness)
    if still.any():
        loss = loss + smile_loss(output, bank.share, bank.strength, still, settings)
        first = still[:, 0]
        loss = loss + settings.ranking_weight * ranking_loss(
            output.strength[:, 0], bank.share[:, 0], bank.strength[:, 0], first
        )
        loss = loss + settings.expression_weight * expression_loss(output.expression, bank.votes, still)
        loss = loss + settings.affect_weight * affect_loss(output.affect, bank.affect, still)
        change = (bank.share.diff(dim=1).abs() < 1e-3) & still[:, 1:]
        if change.any():
            loss = loss + settings.steadiness * output.intensity.diff(dim=1)[change].square().mean()
    right = is_right(output, bank.share, bank.strength, settings.tolerance) & bank.face
    return loss + 0.3 * functional.binary_cross_entropy_with_logits(output.confidence, right.float())


def graded_loss(output: AffectOutput, bank: Bank, steadiness: float) -> Tensor:
    """Of films with a known course: presence and strength, the intensity that they make, and its movement; the
    expression goes from neutral to happiness as the presence does, and valence and arousal with it."""
    graded = bank.graded
    wanted = wanted_intensity(bank.share, bank.strength)
    share = bank.share.clamp(0.005, 0.995)
    presence = functional.binary_cross_entropy_with_logits(output.smiling, share, reduction='none')
    presence = presence - functional.binary_cross_entropy(share, share, reduction='none')
    error = (output.intensity - wanted).abs() + 2 * (output.intensity - wanted).square()
    movement = (output.intensity.diff(dim=1) - wanted.diff(dim=1)).square()
    happy = torch.sigmoid(output.smiling.detach())
    votes = torch.zeros_like(output.expression)
    votes[..., HAPPINESS], votes[..., NEUTRAL] = happy, 1 - happy
    affect = (output.affect - happy[..., None] * happy.new_tensor(CIRCUMPLEX['happiness'])).square().mean(-1)
    mild = expression_loss(output.expression, votes, graded) + 2 * mean_of(affect, graded)
    moving = 5 * steadiness * mean_of(movement, graded[:, 1:])
    return 0.3 * mean_of(presence, graded) + 2 * mean_of(error, graded) + moving + 0.1 * mild


class FilmTask:
    """Task of the loop: the recurrent layers of smile_va on banks of films of the training split of `sets`."""

    name = 'film'

    def __init__(self, state: TrainingState, sets: Sets) -> None:
        settings = state.settings
        self._device = next(state.model.parameters()).device
        graded, stills, looks = (films.to(self._device) for films in banks(state.model, sets, settings))
        self._probe = Probe(state.model, sets, 'val', settings)
        self.epochs, self.per_epoch = settings.film_epochs, max(len(graded) // settings.film_batch, 1)
        self._portions = [(graded, settings.film_batch)]
        self._portions += [(films, max(len(films) // self.per_epoch, 1)) for films in (stills, looks)]
        state.model.recurrent.train()  # cuDNN needs it

    def step(self, state: TrainingState) -> Tensor:
        """Train on films of every kind, drawn for `state.step`; returns the loss."""
        settings, step = state.settings, state.step
        loss = torch.zeros(())
        for group in state.optimiser.param_groups:
            group['lr'] = one_cycle(step, self.epochs * self.per_epoch, settings.warm_up, settings.film_learning_rate)
        generator = torch.Generator(self._device).manual_seed(settings.seed * 1_000_003 + step)
        state.optimiser.zero_grad()
        for films, size in self._portions:
            epoch = torch.Generator().manual_seed(settings.seed + step // self.per_epoch)
            chosen = torch.randperm(len(films), generator=epoch)[step % self.per_epoch * size :][:size]
            batch = films[chosen]
            keep = (torch.rand(batch.embeddings.shape, generator=generator, device=self._device) > 0.1) / 0.9
            output, _ = state.model.over_time(batch.embeddings, batch.gaps_s, keep=keep)
            part = film_loss(output, batch, settings)
            refuse_nan(part, step, f'of films {chosen[:5].tolist()} …', settings)
            part.backward()
            loss = loss + part.detach().cpu()
        torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
        state.optimiser.step()
        state.step += 1
        state.average()
        return loss

    def scores(self, state: TrainingState, epoch: int) -> dict[str, float] | None:
        """Scores of the probe on validation films, after every third epoch and the last."""
        return self._probe.scores(state.ema) if epoch % 3 == 0 or epoch == self.epochs else None


def fit_films(state: TrainingState, sets: Sets, state_file: Path, stop_after: int | None = None) -> TrainingState:
    """Train the recurrent layers to the last epoch, or for `stop_after` steps (`loop.train`)."""
    return loop.train(FilmTask(state, sets), state, state_file, stop_after)
