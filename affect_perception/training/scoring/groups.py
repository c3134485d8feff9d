"""Scores of groups of people: by tone of the skin and by sex, of London's people and of synthetic portraits."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np

from affect_perception.training.data.faces import Faces
from affect_perception.training.scoring.temporal_probe import Answers
from affect_perception.training.synthetic.morphs import Morphs

TONES = (('dark', -180, 10), ('medium', 10, 41), ('light', 41, 180))  # degrees, see morphs.skin_tone
SEXES = ('female', 'male')
LONDON_SEX = Path(__file__).parents[3] / 'config' / 'training' / 'london_sex.csv'
FULL = 0.95  # an intensity above this is saturated

Measure = Callable[[np.ndarray], float]  # of indices
Measures = dict[str, tuple[Measure, np.ndarray]]


def group_measures(said: Answers, morphs: Morphs, portraits: Faces) -> Measures:
    """Error of the intensity of each group with at least two members, and the share of portraits that saturates.

    London's people: mean over the sequences of their smiles, and medians of the neutral and the smiling portrait.
    Portraits: against the intensity of the teacher's labels.
    """
    error = np.abs(said.smiles.intensity - said.smiles.wanted).mean((1, 2))
    result: Measures = {}
    for name, people in groups_of(morphs.tone, london_sex(morphs.person)).items():
        each = np.arange(len(people))
        result[f'{name}_intensity_error'] = (mean_of(error[people]), each)
        for which, end in (('neutral', 0), ('smiling', -1)):
            result[f'{name}_{which}_median'] = (median_of(said.morphs.intensity[people, end]), each)
    read = said.stills['Portraits'].intensity
    tone = portraits.tone if portraits.tone is not None else np.full(len(portraits), np.nan)
    for name, people in groups_of(tone, portrait_sex(portraits.person)).items():
        each, key = np.arange(len(people)), name.replace('tone_', '').replace('sex_', '')
        result[f'portraits_{key}_intensity_error'] = (
            mean_of(np.abs(read[people] - portraits.intensity[people])),
            each,
        )
        result[f'portraits_{key}_above_095'] = (mean_of(read[people] > FULL), each)
    return result


def groups_of(tone: np.ndarray, sex: np.ndarray) -> dict[str, np.ndarray]:
    """Indices of the members of each group of at least two, by skin tone (N,) in degrees and sex (N,)."""
    groups = {f'tone_{name}': (tone >= low) & (tone < high) for name, low, high in TONES}
    groups |= {f'sex_{name}': sex == name for name in SEXES}
    return {name: np.flatnonzero(members) for name, members in groups.items() if members.sum() > 1}


def london_sex(persons: np.ndarray, path: Path = LONDON_SEX) -> np.ndarray:
    """(P,) self-reported sex of London persons; empty text for a person who is not in the table."""
    with path.open(newline='') as file:
        sex = {row['person']: row['sex'] for row in csv.DictReader(file)}
    return np.array([sex.get(str(person), '') for person in persons])


def portrait_sex(names: np.ndarray) -> np.ndarray:
    """(N,) sex that a portrait was generated for, by the name of its file; empty text for another name."""
    words = [str(name).partition('_')[0] for name in names]
    return np.array([word if word in SEXES else '' for word in words])


def mean_of(values: np.ndarray) -> Measure:
    """Mean of (N,) values at given indices."""
    return lambda i: float(values[i].mean())


def median_of(values: np.ndarray) -> Measure:
    """Median of (N,) values at given indices."""
    return lambda i: float(np.median(values[i]))
