"""`affect-perception prepare generated SRC DST`: labelled clips made of the picture sets, in the prepared form.

Three kinds of clips of `frames` crops: London persons play a smile course over their morphs; photographs of one LFW
person are held, or cut from one to another of the same person; DiffusionFER pictures are held. One camera films each
(`rendering.filmed`), and a generated voice (`sound.py`) follows valence and arousal. Splits are those of the sets, so
no person is in two of them. Labels are proxies: levels and intensity come from graded strength (`strength.py`),
valence and arousal from expressions (`faces.CIRCUMPLEX`) but for DiffusionFER's own, reactions of a clip from the
share of time that an expression is shown: amusement (mean smile intensity), disgust, empathic pain (sadness), fear,
surprise. Adoration and anxiety are not labelled. A clip is a function of (seed, split, number); a stopped run continues
after its last shard.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

import affect_perception
from affect_perception.datasets.extraction import FaceSample
from affect_perception.datasets.records import SPLITS, Clip
from affect_perception.datasets.shards import JPEG_QUALITY, ShardWriter
from affect_perception.datasets.units import FORMAT
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import CLASSES, EXPRESSIONS
from affect_perception.models.smile_va import EXPRESSIONS as VOTED
from affect_perception.training.data.faces import CIRCUMPLEX, Faces
from affect_perception.training.data.set_readers import read_diffusionfer, read_lfw, read_morphs
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic import rendering, sound, trajectories
from affect_perception.training.synthetic.morphs import Morphs
from affect_perception.types import Box

FPS = 10.0
SHOWN = {'disgust': 'disgust', 'empathic_pain': 'sadness', 'fear': 'fear', 'surprise': 'surprise'}  # reaction: face
QUANTITIES = (
    'smile', 'smile_intensity', 'expression', 'valence', 'arousal', 'reaction_amusement',
    *(f'reaction_{name}' for name in SHOWN),
)  # fmt: skip
_CLIPS = 256  # per shard
_STRENGTH, _MOVING = 0.4, 0.6  # of the camera's faults and of the head's movement


@dataclass(frozen=True)
class Plan:
    """Number of clips to make: frames per clip, films per London person, held photographs per class and split."""

    frames: int = 20
    films: int = 8
    held: int = 500
    cuts: int = 500
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Film:
    """Grey frames (T, S, S) of one person and labels (T, 5): level, intensity, expression, valence, arousal."""

    person: str
    frames: np.ndarray
    labels: np.ndarray


def generate(src: Path, dst: Path, plan: Plan) -> dict[str, Any]:
    """Make the clips of all splits in `dst`; returns the content of its dataset.json. ConfigError for absent sets."""
    settings = TrainingSettings(data=str(src), seed=plan.seed)
    missing = [name for name in (settings.lfw, settings.london, settings.diffusionfer) if not (src / name).exists()]
    if missing:
        raise ConfigError(f'no {missing[0]} in {src}; give the folder of the picture sets (docs/training.md)')
    _claim(dst, plan)
    sets: dict[str, dict[str, Any]] = {
        'lfw': read_lfw(src / settings.lfw, settings),
        'diffusionfer': read_diffusionfer(src / settings.diffusionfer, settings),
        'london': read_morphs(src / settings.london, settings),
    }
    about: dict[str, Any] = {
        'name': 'generated', 'source': str(src), 'version': affect_perception.__version__, 'format': FORMAT,
        'crop_size': settings.crop_size, 'jpeg_quality': JPEG_QUALITY,
        'tracker': {'crop_margin': settings.crop_margin}, 'quantities': list(QUANTITIES),
        'classes': {q: list(CLASSES[q]) for q in QUANTITIES if q in CLASSES}, 'shards': {}, 'counts': {},
        'audio': {'names': list(sound.DESCRIPTORS), 'per': 'frame'}, 'plan': vars(plan) | {'fps': FPS},
    }  # fmt: skip
    for split in SPLITS:
        makers = [(kind, i) for kind, count in _counts(sets, split, plan).items() for i in range(count)]
        names = [f'{split}-{i:05d}' for i in range(-(-len(makers) // _CLIPS))]
        drawn = _Drawn(sets, split, plan)
        with tqdm(total=len(makers), desc=split, unit='clip', mininterval=5.0, disable=None) as bar:
            for number, name in enumerate(names):
                if all((dst / f'{name}.{suffix}').is_file() for suffix in ('tar', 'npz')):
                    bar.update(min(_CLIPS, len(makers) - number * _CLIPS))
                    continue  # of an earlier run, and whole
                with ShardWriter(dst / name, QUANTITIES) as writer:
                    for at, (kind, i) in enumerate(makers[number * _CLIPS : (number + 1) * _CLIPS]):
                        rng = np.random.default_rng((plan.seed, SPLITS.index(split), number * _CLIPS + at))
                        _write(writer, dst, split, f'{kind}-{split}-{i:05d}', drawn.film(kind, i, rng), rng)
                        bar.update()
        about['shards'][split] = names
        about['counts'][split] = dict(Counter(kind for kind, _ in makers))
    (dst / 'dataset.json').write_text(json.dumps(about | {'complete': True}, indent=1) + '\n')
    return about


def _claim(dst: Path, plan: Plan) -> None:
    """Make `dst` the folder of this plan; ConfigError where it holds something else."""
    mark, wanted = dst / 'plan.json', json.dumps(vars(plan) | {'version': affect_perception.__version__})
    if dst.exists() and any(dst.iterdir()) and (not mark.is_file() or mark.read_text() != wanted):
        raise ConfigError(f'{dst} is not empty and holds no clips generated by this version; give another folder')
    (dst / 'audio').mkdir(parents=True, exist_ok=True)
    mark.write_text(wanted)
    (dst / 'dataset.json').unlink(missing_ok=True)


def _counts(sets: dict[str, dict[str, Any]], split: str, plan: Plan) -> dict[str, int]:
    """Number of clips of each kind in a split."""
    drawn = _Drawn(sets, split, plan)
    london: Morphs = sets['london'][split]
    return {
        'film': len(london) * plan.films, 'held': len(drawn.held), 'cut': len(drawn.cuts),
        'synthetic': len(drawn.synthetic),
    }  # fmt: skip


class _Drawn:
    """Clips of one split: which photographs are held, which are cut together."""

    def __init__(self, sets: dict[str, dict[str, Any]], split: str, plan: Plan) -> None:
        self.plan = plan
        self.london: Morphs = sets['london'][split]
        self.lfw: Faces = sets['lfw'][split]
        self.diffusionfer: Faces = sets['diffusionfer'][split]
        rng = np.random.default_rng((plan.seed, 77, SPLITS.index(split)))
        self.synthetic = _usable(self.diffusionfer)
        order = rng.permutation(_usable(self.lfw))
        classes = self.lfw.votes[order].argmax(1)
        self.held = np.concatenate([order[classes == c][: plan.held] for c in range(len(VOTED))])
        pairs = []
        for person in np.unique(self.lfw.person[order]):
            of = order[self.lfw.person[order] == person]
            kinds = self.lfw.votes[of].argmax(1)
            if len(set(kinds)) > 1:
                pairs.append((of[0], of[np.flatnonzero(kinds != kinds[0])[0]]))
        self.cuts = [pairs[i] for i in rng.permutation(len(pairs))[: plan.cuts]]

    def film(self, kind: str, number: int, rng: np.random.Generator) -> Film:
        """Clip `number` of a kind."""
        seconds = np.arange(self.plan.frames) / FPS
        if kind == 'film':
            return self._course(number % len(self.london), seconds, rng)
        if kind == 'synthetic':
            return _held(self.diffusionfer, [int(self.synthetic[number])], 'diffusionfer', seconds, rng)
        chosen = [int(self.held[number])] if kind == 'held' else [int(i) for i in self.cuts[number]]
        return _held(self.lfw, chosen, 'lfw', seconds, rng)

    def _course(self, person: int, seconds: np.ndarray, rng: np.random.Generator) -> Film:
        morphs = self.london
        fraction = trajectories.smile_course(rng, seconds)
        opening = trajectories.speech_course(rng, seconds) if rng.random() < 0.3 else np.zeros(len(seconds))
        frames = rendering.london_frames(morphs.crops[person], fraction, opening)
        intensity = np.interp(fraction, morphs.fractions, morphs.intensity[person])
        happy = np.interp(fraction, morphs.fractions, morphs.share[person]) > 0.5
        affect = intensity[:, None] * np.array(CIRCUMPLEX['happiness'])
        name = np.where(happy, EXPRESSIONS.index('happiness'), EXPRESSIONS.index('neutral'))
        labels = np.column_stack([trajectories.level_of(intensity), intensity, name, affect])
        return Film(
            f'london-{morphs.person[person]}', rendering.filmed(frames, seconds, rng, _STRENGTH, _MOVING), labels
        )


def _usable(faces: Faces) -> np.ndarray:
    """Indices of the pictures with every label."""
    known = ~(np.isnan(faces.intensity) | np.isnan(faces.votes).any(1) | np.isnan(faces.affect).any(1))
    return np.flatnonzero(known)


def _held(faces: Faces, chosen: Sequence[int], name: str, seconds: np.ndarray, rng: np.random.Generator) -> Film:
    """A photograph that is held, or two with a short blend in the middle third of the clip."""
    share = np.zeros(len(seconds))
    if len(chosen) == 2:
        share = trajectories.eased((seconds - rng.uniform(0.25, 0.6) * seconds[-1]) / rng.uniform(0.1, 0.4))
    rows, pictures = [], []
    for i in (chosen[0], chosen[-1]):
        expression = EXPRESSIONS.index(VOTED[int(faces.votes[i].argmax())])
        rows.append(np.array([faces.intensity[i], expression, *faces.affect[i]]))
        pictures.append(faces.crops[i].astype(np.float32))
    of, to = (1 - share)[:, None], share[:, None]
    frames = np.uint8(of[..., None] * pictures[0] + to[..., None] * pictures[1] + 0.5)
    labels = of * rows[0] + to * rows[1]
    labels[:, 1] = np.where(share < 0.5, rows[0][1], rows[1][1])
    labels = np.column_stack([trajectories.level_of(labels[:, 0]), labels])
    filmed = rendering.filmed(frames, seconds, rng, _STRENGTH, _MOVING)
    return Film(f'{name}-{faces.person[chosen[0]]}', filmed, labels)


def _write(writer: ShardWriter, dst: Path, split: str, name: str, film: Film, rng: np.random.Generator) -> None:
    """Write a clip's crops, labels, reactions and voice."""
    frames = len(film.frames)
    reactions = {'reaction_amusement': float(film.labels[:, 1].mean())}
    for reaction, shown in SHOWN.items():
        reactions[f'reaction_{reaction}'] = float((film.labels[:, 2] == EXPRESSIONS.index(shown)).mean())
    samples, pitch = sound.voice(rng, film.labels[:, 3], film.labels[:, 4], FPS)
    np.save(dst / 'audio' / f'{name}.npy', sound.descriptors(samples, frames, pitch))
    clip = Clip(name, film.person, split, dst, values=reactions, faces='given', audio_features=f'audio/{name}.npy')
    side = film.frames.shape[-1]
    for i, (picture, labels) in enumerate(zip(film.frames, film.labels, strict=True)):
        crop = cv2.cvtColor(picture, cv2.COLOR_GRAY2RGB)
        writer.add(
            clip, i, i / FPS, FaceSample(0, Box(0, 0, side, side), 1.0, crop), np.array([*labels, *reactions.values()])
        )
