"""Inputs that a recurrent network is scored on, of a validation or test split: stills as a first frame, and films.

The films are the same ones in every run: each London person smiles three times (twice fully), talks with a neutral
face, and holds still at 0, half and all of the way, all at 30 fps with sensor noise and a moving head and face box.
Embeddings are computed once, since the CNN does not change while the recurrent part learns.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from affect_perception.evaluation.metrics import predictions
from affect_perception.evaluation.metrics.runs import half_rise_delay
from affect_perception.models.smile_va import AffectOutput, SmileVa
from affect_perception.training.data.face_sets import Faces, Sets
from affect_perception.training.processes import in_processes
from affect_perception.training.scoring.stills import Prediction, prediction
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic import rendering, trajectories
from affect_perception.training.synthetic.sequences import embeddings

FPS = 30
STILLS = ('FER+', 'LFW', 'DiffusionFER', 'Portraits')
APEXES = (1.0, 1.0, 0.6)
HELD = (0.0, 0.5, 1.0)
LEAST_RISE = 0.1  # of the shown intensity, for an onset to be timed
SETTLED = 15  # frames after which a held picture should not move any more


class Course(NamedTuple):
    """Films of P persons, K each: what was shown and what was read, (P, K, T)."""

    fraction: np.ndarray  # of the way from the neutral to the smiling portrait
    wanted: np.ndarray  # absolute intensity that was shown
    intensity: np.ndarray
    levels: np.ndarray  # (P, K, T, 4)


class Answers(NamedTuple):
    """Outputs of a network for all inputs of a probe."""

    stills: dict[str, Prediction]  # first frame of each picture
    morphs: Prediction  # (P, F) first frame at each fraction
    smiles: Course
    talking_rise: np.ndarray  # (P,) mean intensity of a talking neutral face above that of the silent one
    talking_peak: np.ndarray  # (P,) 95th percentile of it above the silent mean
    held_deviation: np.ndarray  # (P, 3) standard deviation of the intensity of a picture that is held
    neutral_elsewhere: np.ndarray  # (P,) median intensity of the neutral face in another light and through a bad camera


class Probe:
    """The questions about one split, ready to be put to a network whose CNN is that of `model`."""

    def __init__(
        self, model: SmileVa, sets: Sets, split: str = 'val', settings: TrainingSettings | None = None
    ) -> None:
        model.eval()
        self.faces = {name: sets[name][split] for name in STILLS}
        self.morphs = sets['Morphs'][split]
        self._stills = {name: _in_batches(model, faces.crops) for name, faces in self.faces.items()}
        people, count = self.morphs.crops.shape[:2]
        self._ladder = _in_batches(model, self.morphs.crops.reshape(-1, *self.morphs.crops.shape[2:]))
        self._ladder = self._ladder.reshape(people, count, -1)
        self._workers = settings.workers if settings else 1
        made = list(in_processes(partial(_films_of, self.morphs.crops), people, self._workers))
        played = [[(fraction, embeddings(model, x)) for fraction, x in films[0]] for films in made]
        self.fraction = np.stack([np.stack([fraction for fraction, _ in of]) for of in played])
        self._smiles = torch.stack([torch.stack([x for _, x in of]) for of in played])
        held = [[embeddings(model, x) for x in films[1]] for films in made]
        self._talking, self._elsewhere = (torch.stack([of[k] for of in held]) for k in (0, 1))
        self._holding = torch.stack([torch.stack(of[2:]) for of in held])

    @torch.inference_mode()
    def ask(self, model: SmileVa) -> Answers:
        """Everything that `model` answers to the questions of the split."""
        model.eval()
        smiles = _film(model, self._smiles.flatten(0, 1))
        shape = self.fraction.shape
        wanted = np.stack([self.morphs.intensity_at(p, f) for p, f in enumerate(self.fraction)])
        talking = _film(model, self._talking).intensity.numpy()
        holding = _film(model, self._holding.flatten(0, 1)).intensity.numpy().reshape(shape[0], len(HELD), -1)
        silent = holding[:, 0].mean(1)
        ladder = prediction([_first(model, x) for x in self._ladder])
        people = len(self._ladder)
        return Answers(
            {name: prediction([_first(model, x)]) for name, x in self._stills.items()},
            Prediction(*(part.reshape(people, -1, *part.shape[1:]) for part in ladder)),
            Course(
                self.fraction, wanted, smiles.intensity.numpy().reshape(shape), smiles.levels.numpy().reshape(*shape, 4)
            ),
            talking.mean(1) - silent,
            np.quantile(talking, 0.95, axis=1) - silent,
            holding[:, :, SETTLED:].std(2),
            np.median(_film(model, self._elsewhere).intensity.numpy(), axis=1),
        )

    @torch.inference_mode()
    def read(self, model: SmileVa, crops: np.ndarray) -> Prediction:
        """Outputs for other pictures (N, S, S) uint8 as first frames."""
        return prediction([_first(model, _in_batches(model, crops))])

    def scores(self, model: SmileVa) -> dict[str, float]:
        """Scores that choose the best epoch (`choice`), of the validation split."""
        said = self.ask(model)
        ferplus, diffusion = self.faces['FER+'], self.faces['DiffusionFER']
        scores = {
            'ferplus_auc': predictions.auc(said.stills['FER+'].smiling, ferplus.smiling),
            'lfw_auc': predictions.auc(said.stills['LFW'].smiling, self.faces['LFW'].smiling),
            'classes_8': predictions.majority_accuracy(said.stills['FER+'].expression, ferplus.votes),
            'valence': predictions.ccc(said.stills['DiffusionFER'].affect[:, 0], diffusion.affect[:, 0]),
            'arousal': predictions.ccc(said.stills['DiffusionFER'].affect[:, 1], diffusion.affect[:, 1]),
            'spearman': float(predictions.rank_correlation(said.morphs.score).mean()),
            'lfw_grading': grading(said.stills['LFW'], self.faces['LFW']),
            'film_f1': film_f1(said.smiles),
            'film_error': float(np.abs(said.smiles.intensity - said.smiles.wanted).mean()),
            'talking': float(said.talking_rise.mean()),
            'deviation': float(said.held_deviation.mean()),
        }
        stills = (scores['ferplus_auc'] + scores['lfw_auc']) / 2 + 0.1 * scores['classes_8']
        affect = 0.02 * (scores['valence'] + scores['arousal'])
        film_part = 0.1 * scores['film_f1'] - 0.1 * scores['film_error'] - 0.2 * max(scores['deviation'], 0.01)
        return scores | {'choice': stills + affect + 0.2 * scores['lfw_grading'] + film_part}


def _films_of(crops: np.ndarray, person: int) -> tuple[list, list]:
    """Pictures of all films of a person, of morphs (P, K, S, S): smiles with their fractions, then the held ones."""
    morphs = crops[person]
    held = [_held(morphs, person, 0.0, talking=True), _held(morphs, person, 0.0, strength=1.0)]
    held += [_held(morphs, person, fraction) for fraction in HELD]
    return [_played(morphs, person, number) for number in range(len(APEXES))], held


def _played(morphs: np.ndarray, person: int, number: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng((7, person, number))
    seconds = np.arange(4 * FPS) / FPS
    onset, offset = rng.uniform(0.25, 0.7), rng.uniform(0.5, 1.0)
    up, down = (seconds - 0.7) / onset, (3.4 - seconds) / offset
    fraction = APEXES[number] * trajectories.eased(np.minimum(up, down))
    frames = rendering.london_frames(morphs, fraction, np.zeros(len(seconds)))
    return fraction, rendering.filmed(frames, seconds, rng, 0.0, 0.6)


def _held(morphs: np.ndarray, person: int, fraction: float, talking: bool = False, strength: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng((8, person, int(100 * fraction), talking + 2 * bool(strength)))
    seconds = np.arange(2 * FPS) / FPS
    opening = 0.9 * np.maximum(np.sin(2 * np.pi * 4 * seconds), 0) if talking else np.zeros(len(seconds))
    frames = rendering.london_frames(morphs, np.full(len(seconds), fraction), opening)
    return rendering.filmed(frames, seconds, rng, strength, 0.4)


def film_f1(smiles: Course) -> float:
    """Macro F1 of the four levels over all frames; levels of the truth by the intensity that was shown."""
    return predictions.macro_f1(smiles.levels.argmax(-1).ravel(), trajectories.level_of(smiles.wanted).ravel())


def grading(said: Prediction, faces: Faces) -> float:
    """Spearman's ρ of intensity and teacher's strength among the smiling faces of a set."""
    among = faces.smiling & ~np.isnan(faces.raw)
    return predictions.spearman(said.intensity[among], faces.raw[among])


def onset_delays(smiles: Course) -> np.ndarray:
    """(P,) `half_rise_delay` in seconds, median of a person's films; NaN for a person who hardly smiles."""
    delays = np.full(smiles.fraction.shape[:2], np.nan)
    for place in np.ndindex(*delays.shape):
        shown = smiles.wanted[place] - smiles.wanted[place].min()
        if shown.max() >= LEAST_RISE:
            delays[place] = half_rise_delay(shown, smiles.intensity[place], 1 / FPS)
    return _median(delays)


def _median(delays: np.ndarray) -> np.ndarray:
    """Medians of rows with infinite values, NaN left out; NaN for a row of NaN."""
    return np.array([np.median(row[~np.isnan(row)]) if (~np.isnan(row)).any() else np.nan for row in delays])


def _in_batches(model: SmileVa, crops: np.ndarray, size: int = 128) -> Tensor:
    parts = [crops[start : start + size] for start in range(0, len(crops), size)]
    return torch.cat([embeddings(model, torch.from_numpy(part)) for part in parts])


@torch.inference_mode()
def first_looks_at(model: SmileVa, crops: np.ndarray) -> Prediction:
    """Predictions for (N, S, S) uint8 grey crops, each as the first frame of a track."""
    model.eval()
    return prediction([_first(model, _in_batches(model, crops))])


def _first(model: SmileVa, embedding: Tensor) -> AffectOutput:
    """Outputs for embeddings (N, E) of N faces, each the first of its track."""
    embedding = embedding.to(next(model.parameters()).device)
    output, _ = model.advance(
        embedding, embedding.new_full((len(embedding),), 1 / FPS), model.initial_state(len(embedding))
    )
    return AffectOutput(*(part.cpu() for part in output))


def _film(model: SmileVa, films: Tensor) -> AffectOutput:
    return read_films(model, films, films.new_full(films.shape[:2], 1 / FPS))


@torch.inference_mode()
def read_films(model: SmileVa, embeddings: Tensor, gaps_s: Tensor) -> AffectOutput:
    """Outputs (N, T, ...) on the CPU for films of embeddings (N, T, E) with gaps (N, T) in s, on any device."""
    device = next(model.parameters()).device
    output, _ = model.over_time(embeddings.to(device), gaps_s.to(device))
    return AffectOutput(*(part.cpu() for part in output))
