"""`python -m affect_perception.training.proposals.train`: train the proposal network to mimic dlib's score maps.

Composes pictures (`pictures.py`), lets dlib's CNN score each whole picture (`scored.py`; kept in --cache), and trains
on one CPU thread, from random weights or on from --initial, whose misses are then drawn more often. The loss is a
regression of the score, clipped where dlib finds no face anyway, with most of the weight on the positions near and
above dlib's threshold. Writes a safetensors file with its recipe and scores.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from affect_perception.detectors.proposals.canvas import OUT
from affect_perception.detectors.proposals.finder import THRESHOLD
from affect_perception.detectors.proposals.network import ProposalNetwork, channels_last
from affect_perception.detectors.proposals.weights import load
from affect_perception.training.proposals.scored import ScoredPictures

FLOOR = -1.1  # scores below are told apart no further: 99 % of the positions without a face
PERIOD_S = 30.0  # between two lines of the log


def main(argv: list[str] | None = None) -> int:
    """Train and write the file; prints a line every half minute and one JSON object last."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    scored = ScoredPictures(args.data, args.cache, args.seed)
    train = scored('train', {'usual': args.pictures, 'hard': args.hard, 'crowd': args.crowds})
    val = scored('val', {'usual': args.validation})
    torch.manual_seed(args.seed)
    network = load(args.initial) if args.initial else ProposalNetwork()
    start = time.process_time()
    average = _train(network.train(), *train, args)
    minutes = (time.process_time() - start) / 60
    scores = evaluate(average, *val)
    recipe = {name: value for name, value in vars(args).items() if name not in ('out', 'cache', 'data', 'initial')}
    recipe['initial'] = args.initial.name if args.initial else None
    write(args.out, average, {'recipe': recipe, 'cpu_minutes': round(minutes, 1), 'validation': scores})
    print(json.dumps({'out': str(args.out), 'cpu_minutes': round(minutes, 1), 'validation': scores}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'), help='folder of the face pictures')
    parser.add_argument('--out', type=Path, default=Path('runs/face_proposals/face_proposals.safetensors'))
    parser.add_argument('--cache', type=Path, default=Path('runs/face_proposals'), help='folder of the scored pictures')
    parser.add_argument('--pictures', type=int, default=3000, help='composed pictures to train on')
    parser.add_argument('--hard', type=int, default=0, help='more of them: turned, squeezed, occluded, dark')
    parser.add_argument('--crowds', type=int, default=0, help='more of them, with up to 30 faces')
    parser.add_argument('--initial', type=Path, help='network to train on from; random weights by default')
    parser.add_argument('--validation', type=int, default=200, help='composed pictures of other people')
    parser.add_argument('--minutes', type=float, default=26.0, help='CPU time of the training')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--rate', type=float, default=4e-3, help='highest learning rate')
    parser.add_argument('--seed', type=int, default=0)
    return parser


def _train(
    network: ProposalNetwork, inputs: np.ndarray, outputs: np.ndarray, args: argparse.Namespace
) -> ProposalNetwork:
    """Train for `args.minutes` of CPU time with one cycle of the learning rate; returns the averaged weights."""
    rng = np.random.default_rng(args.seed)
    shares = _shares(network, inputs, outputs) if args.initial else None
    optimizer = torch.optim.AdamW(network.parameters(), args.rate, weight_decay=0.01)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    start, shown, losses, step = time.process_time(), time.monotonic(), [], 0
    channels_last(network)
    while (done := (time.process_time() - start) / (60 * args.minutes)) < 1:
        optimizer.param_groups[0]['lr'] = args.rate * min(done / 0.05, 1) * (0.5 + 0.5 * np.cos(np.pi * done))
        chosen = rng.choice(len(inputs), args.batch, replace=False, p=shares)
        pixels, wanted = _moved(
            rng, torch.from_numpy(inputs[chosen]).permute(0, 3, 1, 2), torch.from_numpy(outputs[chosen])
        )
        loss = loss_of(network(_jittered(rng, pixels.float())), wanted.float())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(network)
        losses.append(loss.item())
        step += 1
        if time.monotonic() - shown > PERIOD_S:
            print(f'{100 * done:.0f} %, step {step}, loss {np.mean(losses[-300:]):.4f}', flush=True)
            shown = time.monotonic()
    return cast(ProposalNetwork, average.module.eval())


def _shares(network: ProposalNetwork, inputs: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Probability of drawing each picture: from 1 to 4 parts, half a part more for each face that `network` misses."""
    missed = np.array([_missed(*pair) for pair in zip(_estimates(network, inputs), outputs, strict=True)])
    weights = np.minimum(1 + 0.5 * missed, 4)
    return np.asarray(weights / weights.sum())


def _moved(rng: np.random.Generator, pixels: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Mirror half of the batches, and move them by half a cell, down or to the right, which the rim leaves room for."""
    if rng.random() < 0.5:
        pixels, wanted = pixels.flip(3), wanted.flip(3)
    down, right = rng.integers(0, 2, 2).tolist()
    return pixels.roll((down * OUT, right * OUT), (2, 3)), wanted.roll((down, right), (2, 3))


def _jittered(rng: np.random.Generator, pixels: Tensor) -> Tensor:
    """Other exposure and a little noise, which change dlib's scores little."""
    count = len(pixels)
    gain = torch.from_numpy(rng.normal(1, 0.06, (count, 1, 1, 1)).astype(np.float32))
    offset = torch.from_numpy(rng.normal(0, 6, (count, 1, 1, 1)).astype(np.float32))
    return ((pixels - 128) * gain + 128 + offset + torch.randn_like(pixels) * 1.5).clamp(0, 255)


def loss_of(estimated: Tensor, wanted: Tensor) -> Tensor:
    """Squared error of the scores clipped to FLOOR, weighted by nearness to dlib's faces; NaN targets count nothing.

    An estimate that is too low costs twice as much as one too high: a face not proposed is lost, a proposal too many
    costs a window.
    """
    known = wanted.isfinite()
    wanted = wanted.nan_to_num(FLOOR).clamp(FLOOR, 1.5)
    error = torch.where(wanted > FLOOR, estimated - wanted, (estimated - FLOOR).clamp(min=0))
    weight = known * (1 + 12 * (wanted > FLOOR) * ((wanted - FLOOR) / 1.1).clamp(max=1)) * (1 + (error < 0))
    return (weight * error.square()).sum() / (12 * (known & (wanted > -0.8)).sum() + 0.02 * known.sum())


@torch.inference_mode()
def evaluate(network: ProposalNetwork, inputs: np.ndarray, outputs: np.ndarray) -> dict[str, list[float]]:
    """Recall of dlib's faces (local maxima of its score above 0) and proposals per picture, by threshold.

    A face counts as proposed if an output within one of its own and one level reaches the threshold.
    """
    thresholds = [-0.9, -0.8, -0.7, -0.6, -0.5, -0.4]
    found, faces, proposed = np.zeros(len(thresholds)), 0, np.zeros(len(thresholds))
    for estimated, wanted in zip(_estimates(network, inputs), outputs, strict=True):
        near = _at_faces(estimated, wanted)
        faces += len(near)
        known = estimated[torch.from_numpy(wanted).isfinite()]
        for i, threshold in enumerate(thresholds):
            found[i] += int((near >= threshold).sum())
            proposed[i] += int((known >= threshold).sum())
    return {
        'thresholds': thresholds,
        'recall': (found / max(faces, 1)).round(5).tolist(),
        'outputs_per_picture': (proposed / len(inputs)).round(1).tolist(),
    }


@torch.inference_mode()
def _estimates(network: ProposalNetwork, inputs: np.ndarray) -> Iterator[Tensor]:
    folded = network.folded()
    for pixels in inputs:
        yield folded(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())[0]


def _at_faces(estimated: Tensor, wanted: np.ndarray) -> Tensor:
    """Highest estimate near each local maximum of `wanted`, dlib's scores, above 0: (faces,)."""
    scores = torch.from_numpy(wanted).float().nan_to_num(-9)
    highest, near = (F.max_pool3d(v[None, None], 3, 1, 1)[0, 0] for v in (scores, estimated))
    return near[(scores >= highest) & (scores > 0)]


def _missed(estimated: Tensor, wanted: np.ndarray) -> int:
    return int((_at_faces(estimated, wanted) < THRESHOLD).sum())


def write(path: Path, network: ProposalNetwork, header: dict[str, object]) -> None:
    """Write the weights and a JSON header."""
    from affect_perception.models.checkpoint import write_safetensors

    write_safetensors(path, network.state_dict(), {'settings': network.settings, **header})


if __name__ == '__main__':
    raise SystemExit(main())
