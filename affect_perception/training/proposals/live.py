"""Training on pictures as they are composed: several processes compose, this one scores on the device and trains.

Several networks are trained side by side on the same batches. Every minute their averaged weights and recalls are
written, so that a run that is cut off leaves networks behind.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from affect_perception.detectors.proposals.network import ProposalNetwork
from affect_perception.errors import AffectPerceptionError
from affect_perception.training.proposals.composer import Composer
from affect_perception.training.proposals.fitting import Fitting, evaluate, jittered, missed, moved
from affect_perception.training.proposals.scorer import BatchScorer
from affect_perception.training.proposals.store import ScoredStore
from affect_perception.training.proposals.variants import variants

GROUP = 16  # composed pictures that are scored at once
_GROUPS = 4  # at most, between two steps
_FIRST_WAIT_S = 120.0

Scores = dict[str, dict[str, list[float]]]  # by kind of picture, see `evaluate`
Write = Callable[[str, ProposalNetwork, dict[str, object]], None]  # name, averaged weights, header


@dataclass(frozen=True)
class Live:
    """Settings: `data` of the faces, `seconds` of training in all, composing `workers`, `variants` of each picture.

    `kept`: scored pictures on the device; `first`: of them before the first step; `low`: see `loss_of`; `save_s`: time
    between two files; `detector`: file of dlib's CNN, empty for the installed one.
    """

    data: Path
    seconds: float
    workers: int = 2
    variants: int = 3
    batch: int = 128
    rate: float = 4e-3
    low: float = 2.0
    seed: int = 0
    validation: int = 100
    kept: int = 100_000
    first: int = 1000
    save_s: float = 60.0
    shown_s: float = 15.0
    detector: str = ''


def train_live(networks: Mapping[str, ProposalNetwork], live: Live, device: torch.device, write: Write) -> None:
    """Train all networks and write them, at the end and meanwhile; `live.seconds` from the call to the last file."""
    until = time.monotonic() + live.seconds
    torch.manual_seed(live.seed)
    if device.type == 'cuda':
        torch.backends.cudnn.benchmark = True  # TF32 in convolutions, PyTorch's default, but not in products
    fittings = {name: Fitting(network.to(device).train(), live.rate, live.low) for name, network in networks.items()}
    scorer = BatchScorer(device, live.detector)
    with Composer(live.data, live.workers, live.seed, live.validation) as composer:
        run = _Run(fittings, live, device, scorer, composer, write)
        run.validate_on(composer.validation())
        run.fill(until)
        run.train(until)


class _Run:
    """State of a training: scored pictures, random numbers, what was done."""

    def __init__(
        self,
        fittings: dict[str, Fitting],
        live: Live,
        device: torch.device,
        scorer: BatchScorer,
        composer: Composer,
        write: Write,
    ) -> None:
        self._fittings, self._live, self._device, self._write = fittings, live, device, write
        self._scorer, self._composer = scorer, composer
        self._store = ScoredStore(live.kept)
        self._random = torch.Generator(device).manual_seed(live.seed)
        self._moves = torch.Generator().manual_seed(live.seed)
        self._validation: dict[str, tuple[Tensor, Tensor]] = {}
        self._composed = self._steps = 0
        self._spent = {'scoring': 0.0, 'training': 0.0, 'saving': 0.0}  # seconds
        self._start = time.monotonic()  # of the composing

    def validate_on(self, pictures: Mapping[str, object]) -> None:
        """Score pictures (N, H, W, 3) uint8 of each kind, for validation."""
        for kind, images in pictures.items():
            given = torch.as_tensor(images).permute(0, 3, 1, 2)
            parts = [self._scorer(part.to(self._device).float()) for part in given.split(GROUP)]
            inputs, outputs = (torch.cat(column) for column in zip(*parts, strict=True))
            self._validation[kind] = inputs, outputs
        self._say('validation pictures scored')

    def fill(self, until: float) -> None:
        """Score pictures until there are enough for the first step; AffectPerceptionError where they do not come."""
        while len(self._store) < min(self._live.first, self._live.kept) and time.monotonic() < until:
            if not self._score(_FIRST_WAIT_S):
                raise AffectPerceptionError(f'no {GROUP} composed pictures in {_FIRST_WAIT_S:.0f} s; give more workers')

    def train(self, until: float) -> None:
        """Train to the time `until`, less what the last evaluation and files take."""
        saved = shown = began_at = time.monotonic()
        spare = 2.0  # seconds that the last files take, as measured
        while (now := time.monotonic()) < until - spare:
            done = (now - began_at) / max(until - spare - began_at, 1e-9)
            for _ in range(_GROUPS):
                if time.monotonic() > until - spare or not self._score(0):
                    break
            losses = self._step(done)
            if time.monotonic() - saved > self._live.save_s:
                began = time.monotonic()
                self._save(done)
                saved = time.monotonic()
                spare = max(spare, 1.5 * (saved - began))
            if time.monotonic() - shown > self._live.shown_s:
                values = ', '.join(f'{name} {loss.item():.4f}' for name, loss in losses.items())
                self._say(f'{100 * done:.0f} %, {values}')
                shown = time.monotonic()
        self._save(1.0)
        self._say('done')

    def _score(self, wait_s: float) -> bool:
        began = time.monotonic()
        pictures = self._composer.take(GROUP, wait_s)
        if pictures is None:
            return False
        given = torch.from_numpy(pictures).to(self._device).permute(0, 3, 1, 2)
        self._store.add(*self._scorer(variants(given, self._live.variants, self._random)))
        self._composed += GROUP
        self._spent['scoring'] += time.monotonic() - began
        return True

    def _step(self, done: float) -> dict[str, Tensor]:
        began = time.monotonic()
        places, canvases, scores = self._store.draw(self._live.batch)
        pixels, wanted = moved(self._moves, canvases, scores)
        pixels, wanted = jittered(pixels.float()), wanted.float()
        results = {name: fitting.step(pixels, wanted, done) for name, fitting in self._fittings.items()}
        with torch.no_grad():
            counts = [missed(estimated, wanted) for _, estimated in results.values()]
            self._store.record(places, torch.stack(counts).float().mean(0))
        self._steps += 1
        self._spent['training'] += time.monotonic() - began
        return {name: loss for name, (loss, _) in results.items()}

    def _save(self, done: float) -> None:
        began = time.monotonic()
        for name, fitting in self._fittings.items():
            scores = {kind: evaluate(fitting.average, *pair) for kind, pair in self._validation.items()}
            about = {
                'steps': self._steps,
                'composed': self._composed,
                'scored': self._store.seen,
                'done': round(done, 3),
            }
            self._write(name, fitting.average, {**about, 'validation': scores})
            recalls = ', '.join(f'{kind} {one["recall"]}' for kind, one in scores.items())
            self._say(f'{name}: {recalls}')
        self._spent['saving'] += time.monotonic() - began

    def _say(self, text: str) -> None:
        passed = max(time.monotonic() - self._start, 1e-9)
        rates = f'{self._composed} composed ({self._composed / passed:.0f}/s), {self._steps} steps'
        spent = ', '.join(f'{name} {100 * value / passed:.0f} %' for name, value in self._spent.items())
        memory = f', {torch.cuda.max_memory_allocated() / 1e9:.1f} GB' if self._device.type == 'cuda' else ''
        print(f'{passed:.0f} s: {text} | {rates}, {spent}{memory}', flush=True)  # noqa: T201  progress of a script
