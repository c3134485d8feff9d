"""The second part of training: the recurrent layers learn to read films, over a CNN that stays as it is.

Called by `train.main` for networks that have `over_time`. Resumable like the first part, from a state of its own.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from affect_perception.models.smile_va import AffectOutput
from affect_perception.training.data.face_sets import CIRCUMPLEX, EXPRESSIONS, Sets
from affect_perception.training.losses import affect_loss, expression_loss
from affect_perception.training.schedule import one_cycle, refuse_nan
from affect_perception.training.scoring.temporal_probe import Probe
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.state import TrainingState
from affect_perception.training.synthetic.sequences import Bank, banks
from affect_perception.training.tensorboard import Board

HAPPINESS, NEUTRAL = EXPRESSIONS.index('happiness'), EXPRESSIONS.index('neutral')


def film_loss(output: AffectOutput, bank: Bank, settings: TrainingSettings) -> Tensor:
    """What the outputs (M, T, ...) of a batch of films say wrong."""
    graded, voted = ~bank.fraction.isnan(), ~bank.votes[..., 0].isnan()
    loss = output.score.new_zeros(())
    if graded.any():
        loss = loss + graded_loss(output, bank.fraction, settings.steadiness)
    if voted.any():
        happiness = bank.votes[..., HAPPINESS]
        loss = loss + functional.binary_cross_entropy_with_logits(output.smiling[voted], happiness[voted])
        loss = loss + settings.expression_weight * expression_loss(output.expression[voted], bank.votes[voted])
        loss = loss + settings.affect_weight * affect_loss(output.affect[voted], bank.affect[voted])
        calm = voted[:, 1:] & ((happiness[:, 1:] - happiness[:, :-1]).abs() < 1e-3)
        if calm.any():
            loss = loss + settings.steadiness * output.intensity.diff(dim=1)[calm].square().mean()
    return loss + 0.3 * confidence_loss(output, bank, settings.tolerance)


def graded_loss(output: AffectOutput, fraction: Tensor, steadiness: float) -> Tensor:
    """Of films with fractions (M, T): the intensity is the fraction, and moves as it moves; the expression goes from
    neutral to happiness as fast as people are expected to say so, and valence and arousal with it."""
    target = fraction.clamp(0.005, 0.995)
    least = functional.binary_cross_entropy(target, target)
    divergence = functional.binary_cross_entropy_with_logits(output.score, target) - least
    error = (output.intensity - fraction).abs().mean() + 2 * (output.intensity - fraction).square().mean()
    movement = (output.intensity.diff(dim=1) - fraction.diff(dim=1)).square().mean()
    happy = torch.sigmoid(output.smiling.detach())
    votes = torch.zeros_like(output.expression)
    votes[..., HAPPINESS], votes[..., NEUTRAL] = happy, 1 - happy
    affect = happy[..., None] * happy.new_tensor(CIRCUMPLEX['happiness'])
    mild = expression_loss(output.expression, votes) + 2 * (output.affect - affect).square().mean()
    return divergence + error + steadiness * 5 * movement + 0.1 * mild


def confidence_loss(output: AffectOutput, bank: Bank, tolerance: float) -> Tensor:
    """Cross entropy of the confidence with "the smile was read to within `tolerance`"; without a face it was not."""
    said = torch.where(bank.fraction.isnan(), torch.sigmoid(output.smiling), output.intensity).detach()
    true = torch.where(bank.fraction.isnan(), bank.votes[..., HAPPINESS], bank.fraction)
    right = ((said - true).abs() <= tolerance) & bank.face  # NaN compares as wrong, and without a face it is
    return functional.binary_cross_entropy_with_logits(output.confidence, right.float())


def fit_films(state: TrainingState, sets: Sets, state_file: Path, stop_after: int | None = None) -> TrainingState:
    """Train to the last epoch, or for `stop_after` steps; saves the state as it goes and shows the time left."""
    settings = state.settings
    began = time.monotonic() - state.seconds
    graded, stills, looks = banks(state.model, sets, settings)
    probe = Probe(state.model, sets)
    per_epoch = max(len(graded) // settings.film_batch, 1)
    portions = [(graded, settings.film_batch)]
    portions += [(films, max(len(films) // per_epoch, 1)) for films in (stills, looks)]
    whole = settings.film_epochs * per_epoch
    last = whole if stop_after is None else min(whole, state.step + stop_after)
    board = Board(settings, state_file.parent, 'film ')
    with tqdm(total=whole, initial=state.step, unit='step', mininterval=5.0, dynamic_ncols=True) as bar:
        while state.step < last and not state.out_of_patience():
            step, loss = state.step, 0.0
            for group in state.optimiser.param_groups:
                group['lr'] = one_cycle(step, whole, settings.warm_up, settings.film_learning_rate)
            generator = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
            state.optimiser.zero_grad()
            for films, size in portions:
                epoch = torch.Generator().manual_seed(settings.seed + step // per_epoch)
                order = torch.randperm(len(films), generator=epoch)
                batch = films[order[step % per_epoch * size :][:size]]
                keep = torch.rand(batch.embeddings.shape, generator=generator) > 0.1
                output, _ = state.model.over_time(batch.embeddings * keep / 0.9, batch.gaps_s)
                part = film_loss(output, batch, settings)
                refuse_nan(part, step, f'of films {order[step % per_epoch * size :][:5].tolist()} …', settings)
                part.backward()
                loss += part.item()
            torch.nn.utils.clip_grad_norm_(state.model.parameters(), 1.0)
            state.optimiser.step()
            state.step += 1
            state.average()
            bar.update()
            bar.set_postfix(loss=f'{loss:.3f}', refresh=False)
            if state.step % per_epoch == 0:
                scores = probe.scores(state.ema)
                chosen = ' (best so far)' if state.end_epoch(scores) else ''
                values = '  '.join(f'{name} {value:.4f}' for name, value in scores.items())
                bar.write(f'film epoch {len(state.history)}: loss {loss:.3f}  {values}{chosen}')
                board.note(scores | {'loss': loss}, state.step)
                state.seconds = time.monotonic() - began
                state.save(state_file)
    return state
