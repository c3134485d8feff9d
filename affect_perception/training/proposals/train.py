"""`python -m affect_perception.training.proposals.train`: train the proposal network to mimic dlib's score maps.

Two ways. By default pictures are composed first (`pictures.py`), dlib's CNN scores each (`scored.py`; kept in --cache),
and one CPU thread trains for --minutes, from random weights or on from --initial, whose misses are then drawn more
often. With --workers several processes compose varied pictures (`varied.py`) while this one scores them on --device and
trains one or more networks for --seconds (`live.py`); this needs a GPU to be worth while.

The loss is a regression of the score, clipped where dlib finds no face anyway, with most of the weight on the positions
near and above dlib's threshold. Writes safetensors files with their recipe and scores.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from affect_perception.detectors.proposals.network import ProposalNetwork
from affect_perception.detectors.proposals.weights import load
from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.runtime.devices import chosen_device
from affect_perception.training.proposals.fitting import Fitting, estimates, evaluate, jittered, missed, moved
from affect_perception.training.proposals.live import Live, train_live
from affect_perception.training.proposals.scored import ScoredPictures

PERIOD_S = 30.0  # between two lines of the log
_SETTINGS = ('stem', 'width', 'blocks', 'stem_px', 'kernel')


def main(argv: list[str] | None = None) -> int:
    """Train and write the files; prints a line every half minute and one JSON object last. Returns the exit status."""
    parser = _parser()
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        return _live(args) if args.workers else _from_cache(args)
    except AffectPerceptionError as error:
        parser.exit(2, f'{parser.prog}: {error}\n')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--data', type=Path, default=Path('../shared/data'), help='folder of the face pictures')
    parser.add_argument('--out', type=Path, default=Path('runs/face_proposals/face_proposals.safetensors'))
    parser.add_argument('--initial', type=Path, help='network to train on from; random weights by default')
    parser.add_argument('--validation', type=int, default=200, help='composed pictures of other people (of each kind)')
    parser.add_argument('--batch', type=int, default=8)
    parser.add_argument('--rate', type=float, default=4e-3, help='highest learning rate')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--low', type=float, default=2.0, help='weight of an estimate that is too low')
    first = parser.add_argument_group('pictures composed first')
    first.add_argument('--cache', type=Path, default=Path('runs/face_proposals'), help='folder of the scored pictures')
    first.add_argument('--pictures', type=int, default=3000, help='composed pictures to train on')
    first.add_argument('--hard', type=int, default=0, help='more of them: turned, squeezed, occluded, dark')
    first.add_argument('--crowds', type=int, default=0, help='more of them, with up to 30 faces')
    first.add_argument('--minutes', type=float, default=26.0, help='CPU time of the training')
    live = parser.add_argument_group('pictures composed meanwhile')
    live.add_argument('--workers', type=int, default=0, help='processes that compose; 0: the other way')
    live.add_argument('--device', default='cuda', help='cpu, cuda, cuda:N or auto')
    live.add_argument('--seconds', type=float, default=420.0, help='from the start to the last file')
    live.add_argument('--variants', type=int, default=3, help='of each composed picture that are scored')
    live.add_argument('--kept', type=int, default=100_000, help='scored pictures kept on the device, 0.15 MB each')
    live.add_argument('--first', type=int, default=1000, help='scored pictures before the first step')
    live.add_argument('--save-seconds', type=float, default=60.0, help='between two files of each network')
    live.add_argument('--detector', default='', help="file of dlib's CNN; the installed one by default")
    live.add_argument(
        '--network',
        action='append',
        metavar='NAME=STEM,WIDTH,BLOCKS,STEM_PX,KERNEL',
        help='train this network and write NAME.safetensors beside --out; may be given several times',
    )
    return parser


def _live(args: argparse.Namespace) -> int:
    networks = dict(_network(text) for text in args.network or ())
    files = {name: args.out.with_name(f'{name}.safetensors') for name in networks}
    if not networks:
        networks, files = {'': _initial(args)}, {'': args.out}
    live = Live(
        args.data, args.seconds, args.workers, args.variants, args.batch, args.rate, args.low, args.seed,
        args.validation, args.kept, args.first, args.save_seconds, detector=args.detector,
    )  # fmt: skip
    results: dict[str, dict[str, object]] = {}

    def keep(name: str, network: ProposalNetwork, about: dict[str, object]) -> None:
        results[name] = {'out': str(files[name]), **about}
        write(files[name], network, {'recipe': _recipe(args), **about})

    train_live(networks, live, chosen_device(args.device), keep)
    print(json.dumps(list(results.values())))
    return 0


def _from_cache(args: argparse.Namespace) -> int:
    scored = ScoredPictures(args.data, args.cache, args.seed)
    train = _tensors(*scored('train', {'usual': args.pictures, 'hard': args.hard, 'crowd': args.crowds}))
    val = _tensors(*scored('val', {'usual': args.validation}))
    torch.manual_seed(args.seed)
    start = time.process_time()
    average = _train(_initial(args).train(), *train, args)
    minutes = (time.process_time() - start) / 60
    scores = evaluate(average, *val)
    write(args.out, average, {'recipe': _recipe(args), 'cpu_minutes': round(minutes, 1), 'validation': scores})
    print(json.dumps({'out': str(args.out), 'cpu_minutes': round(minutes, 1), 'validation': scores}))
    return 0


def _network(text: str) -> tuple[str, ProposalNetwork]:
    name, _, numbers = text.partition('=')
    try:
        return name, ProposalNetwork(**dict(zip(_SETTINGS, map(int, numbers.split(',')), strict=True)))
    except (TypeError, ValueError, RuntimeError) as error:
        raise ConfigError(
            f'--network {text}: give a name and five numbers, like default=32,96,4,6,5 ({error})'
        ) from error


def _initial(args: argparse.Namespace) -> ProposalNetwork:
    return load(args.initial) if args.initial else ProposalNetwork()


def _recipe(args: argparse.Namespace) -> dict[str, object]:
    hidden = ('out', 'cache', 'data', 'initial', 'detector')
    recipe = {name: value for name, value in vars(args).items() if name not in hidden}
    return {**recipe, 'initial': args.initial.name if args.initial else None}


def _tensors(inputs: np.ndarray, outputs: np.ndarray) -> tuple[Tensor, Tensor]:
    """Canvases (N, 3, H, W) and targets."""
    return torch.from_numpy(inputs).permute(0, 3, 1, 2), torch.from_numpy(outputs)


def _train(network: ProposalNetwork, inputs: Tensor, outputs: Tensor, args: argparse.Namespace) -> ProposalNetwork:
    """Train for `args.minutes` of CPU time with one cycle of the learning rate; returns the averaged weights."""
    rng, random = np.random.default_rng(args.seed), torch.Generator().manual_seed(args.seed)
    shares = _shares(network, inputs, outputs) if args.initial else None
    fitting = Fitting(network, args.rate, args.low)
    start, shown, losses, step = time.process_time(), time.monotonic(), [], 0
    while (done := (time.process_time() - start) / (60 * args.minutes)) < 1:
        chosen = rng.choice(len(inputs), args.batch, replace=False, p=shares)
        pixels, wanted = moved(random, inputs[chosen], outputs[chosen])
        loss, _ = fitting.step(jittered(pixels.float()), wanted.float(), done)
        losses.append(loss.item())
        step += 1
        if time.monotonic() - shown > PERIOD_S:
            print(f'{100 * done:.0f} %, step {step}, loss {np.mean(losses[-300:]):.4f}', flush=True)
            shown = time.monotonic()
    return fitting.average


def _shares(network: ProposalNetwork, inputs: Tensor, outputs: Tensor) -> np.ndarray:
    """Probability of drawing each picture: from 1 to 4 parts, half a part more for each face that `network` misses."""
    estimated = torch.cat(list(estimates(network, inputs)))
    weights = np.minimum(1 + 0.5 * missed(estimated, outputs).numpy(), 4)
    return np.asarray(weights / weights.sum())


def write(path: Path, network: ProposalNetwork, header: dict[str, object]) -> None:
    """Write the weights and a JSON header."""
    from affect_perception.models.checkpoint import write_safetensors

    write_safetensors(path, network.state_dict(), {'settings': network.settings, **header})


if __name__ == '__main__':
    raise SystemExit(main())
