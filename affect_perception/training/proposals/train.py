"""`python -m affect_perception.training.proposals.train`: train the proposal network to mimic dlib's score maps.

Composes pictures (`pictures.py`), lets dlib's CNN score each whole picture (`targets.py`; kept in --cache), and
trains on one CPU thread. The loss is a regression of the score, clipped where dlib finds no face anyway, with most of
the weight on the positions near and above dlib's threshold. Writes a safetensors file with its recipe and scores.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import torch
from torch import Tensor

from affect_perception.detectors.dlib.cnn import DlibCnn
from affect_perception.detectors.proposals.canvas import draw, proposal_canvas
from affect_perception.detectors.proposals.network import ProposalNetwork, channels_last
from affect_perception.training.proposals.pictures import SIZE, FacePool, compose, load_photos
from affect_perception.training.proposals.targets import targets

FLOOR = -1.1  # scores below are told apart no further: 99 % of the positions without a face
PERIOD_S = 30.0  # between two lines of the log


def main(argv: list[str] | None = None) -> int:
    """Train and write the file; prints a line every half minute and one JSON object last."""
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    sets = {split: _scored(args, split, count) for split, count in (('train', args.pictures), ('val', args.validation))}
    torch.manual_seed(args.seed)
    network = ProposalNetwork()
    start = time.process_time()
    average = _train(network, *sets['train'], args)
    minutes = (time.process_time() - start) / 60
    scores = evaluate(average, *sets['val'])
    recipe = {name: value for name, value in vars(args).items() if name not in ('out', 'cache', 'data')}
    write(args.out, average, {'recipe': recipe, 'cpu_minutes': round(minutes, 1), 'validation': scores})
    print(json.dumps({'out': str(args.out), 'cpu_minutes': round(minutes, 1), 'validation': scores}))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'), help='folder of the face pictures')
    parser.add_argument('--out', type=Path, default=Path('runs/face_proposals/face_proposals.safetensors'))
    parser.add_argument('--cache', type=Path, default=Path('runs/face_proposals'), help='folder of the scored pictures')
    parser.add_argument('--pictures', type=int, default=3000, help='composed pictures to train on')
    parser.add_argument('--validation', type=int, default=200, help='composed pictures of other people')
    parser.add_argument('--minutes', type=float, default=26.0, help='CPU time of the training')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--rate', type=float, default=4e-3, help='highest learning rate')
    parser.add_argument('--seed', type=int, default=0)
    return parser


def _scored(args: argparse.Namespace, split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Canvases (count, H, W, 3) uint8 and targets (count, LEVELS, h, w) float16 of a split, from the cache if there."""
    file = args.cache / f'{split}-{count}-{args.seed}.npz'
    if not file.is_file():
        pool, photos, dlib = FacePool(args.data, split), load_photos(), DlibCnn(precision='fp32')
        layout = proposal_canvas(*SIZE, False)
        inputs, outputs = [], []
        for i in range(count):
            picture = compose(pool, photos, (args.seed, split == 'val', i))
            inputs.append(draw(picture, layout))
            outputs.append(targets(*dlib.scores(picture), layout).astype(np.float16))
            if i % 100 == 99:
                print(f'{split}: {i + 1} of {count} pictures scored, {time.process_time():.0f} s', flush=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix('.part.npz')
        np.savez(part, inputs=np.stack(inputs), outputs=np.stack(outputs))
        os.replace(part, file)
    loaded = np.load(file)
    return loaded['inputs'], loaded['outputs']


def _train(
    network: ProposalNetwork, inputs: np.ndarray, outputs: np.ndarray, args: argparse.Namespace
) -> ProposalNetwork:
    """Train for `args.minutes` of CPU time with one cycle of the learning rate; returns the averaged weights."""
    rng = np.random.default_rng(args.seed)
    optimizer = torch.optim.AdamW(network.parameters(), args.rate, weight_decay=0.01)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.998), use_buffers=True
    )
    start, shown, losses, step = time.process_time(), time.monotonic(), [], 0
    channels_last(network)
    while (done := (time.process_time() - start) / (60 * args.minutes)) < 1:
        optimizer.param_groups[0]['lr'] = args.rate * min(done / 0.05, 1) * (0.5 + 0.5 * np.cos(np.pi * done))
        chosen = rng.choice(len(inputs), args.batch, replace=False)
        pixels = _jittered(rng, torch.from_numpy(inputs[chosen]).permute(0, 3, 1, 2).float())
        loss = loss_of(network(pixels), torch.from_numpy(outputs[chosen]).float())
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
    folded = network.folded()
    thresholds = [-0.9, -0.8, -0.7, -0.6, -0.5, -0.4]
    found, faces, proposed = np.zeros(len(thresholds)), 0, np.zeros(len(thresholds))
    for pixels, wanted in zip(inputs, outputs, strict=True):
        estimated = folded(torch.from_numpy(pixels).permute(2, 0, 1)[None].float())[0]
        wanted = torch.from_numpy(wanted).float().nan_to_num(-9)
        around = torch.nn.functional.max_pool3d(wanted[None, None], 3, 1, 1)[0, 0]
        peaks = (wanted >= around) & (wanted > 0)
        near = torch.nn.functional.max_pool3d(estimated[None, None], 3, 1, 1)[0, 0]
        faces += int(peaks.sum())
        estimated = torch.where(wanted > -9, estimated, -9)
        for i, threshold in enumerate(thresholds):
            found[i] += int((near[peaks] >= threshold).sum())
            proposed[i] += int((estimated >= threshold).sum())
    return {
        'thresholds': thresholds,
        'recall': (found / max(faces, 1)).round(5).tolist(),
        'outputs_per_picture': (proposed / len(inputs)).round(1).tolist(),
    }


def write(path: Path, network: ProposalNetwork, header: dict[str, object]) -> None:
    """Write the weights and a JSON header."""
    from affect_perception.models.checkpoint import write_safetensors

    write_safetensors(path, network.state_dict(), {'settings': network.settings, **header})


if __name__ == '__main__':
    raise SystemExit(main())
