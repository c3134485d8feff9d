"""Targets of the smile intensity: teacher coefficients and votes to an absolute strength and intensity in [0, 1].

The teacher is MediaPipe's Face Landmarker with blendshapes (Apache-2.0): 52 expression coefficients per picture, read
from `teacher/<set>.npz` beside the data sets. Only training and scoring use them; nothing of the teacher is shipped.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.models.smile_va import FLOOR

MORPHS = Path(__file__).parents[3] / 'config' / 'training' / 'london_morphs.csv'
# Raw strength at which the graded strength takes these values. Fitted by eye to the frames of six clips whose levels
# people judged: low smiles read 0.15 to 0.5, clear ones 0.7 to 0.9, broad ones with the teeth shown 1.3 to 1.8.
RAW_KNOTS = (0.0, 0.12, 0.55, 1.15, 1.8, 2.4)
GRADED_KNOTS = (0.0, 0.06, 0.3, 0.68, 0.95, 1.0)

FIRST_SEEN, SURE = 0.05, 0.45  # raw strength at which a smile begins to be named, and at which everybody names it


def raw_strength(coefficients: np.ndarray, names: list[str]) -> np.ndarray:
    """(N,) mouthSmile · (1 + mouthUpperUp + mouthLowerDown) of teacher coefficients (N, 52), means of both sides.

    The product orders smiling faces nearly as raters do: lip corners first, then how far the teeth show.
    """

    def both(name: str) -> np.ndarray:
        return (coefficients[:, names.index(f'{name}Left')] + coefficients[:, names.index(f'{name}Right')]) / 2

    return np.float32(both('mouthSmile') * (1 + both('mouthUpperUp') + both('mouthLowerDown')))


def graded(raw: np.ndarray) -> np.ndarray:
    """Strength in [0, 1] of raw strengths: piecewise linear through RAW_KNOTS and GRADED_KNOTS."""
    return np.float32(np.where(np.isnan(raw), np.nan, np.interp(raw, RAW_KNOTS, GRADED_KNOTS)))


def presence_of(raw: np.ndarray) -> np.ndarray:
    """Share of people expected to name a smile of that raw strength, for pictures without votes."""
    x = np.clip((raw - FIRST_SEEN) / (SURE - FIRST_SEEN), 0, 1)
    return np.float32(x * x * (3 - 2 * x))


def intensity_of(presence: np.ndarray, strength: np.ndarray) -> np.ndarray:
    """Absolute smile intensity: presence · (FLOOR + (1 − FLOOR) · graded strength)."""
    return np.float32(presence * (FLOOR + (1 - FLOOR) * strength))


def read_labels(folder: Path, name: str) -> tuple[dict[str, int], np.ndarray, list[str]]:
    """Row of each key, coefficients (N, 52) float32 and their names of `<folder>/<name>.npz`; ConfigError if absent."""
    path = folder / f'{name}.npz'
    try:
        with np.load(path) as archive:
            keys = {str(key): row for row, key in enumerate(archive['key'])}
            return keys, archive['coefficients'].astype(np.float32), [str(n) for n in archive['names']]
    except (OSError, KeyError, ValueError) as error:
        raise ConfigError(
            f'cannot read the teacher labels {path} ({error}); make them with ../shared/tools/teacher_labels.py'
        ) from None


def coefficients_of(folder: Path, name: str, keys: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(N, 52) coefficients and (N,) raw strength of the pictures `keys`; rows of NaN where the teacher saw no face."""
    rows, coefficients, names = read_labels(folder, name)
    place = np.array([rows.get(str(key), -1) for key in keys])
    found = np.where((place >= 0)[:, None], coefficients[place], np.nan)
    return found, np.where(place >= 0, raw_strength(coefficients, names)[place], np.nan)


def morph_strengths(persons: np.ndarray, fractions: np.ndarray, path: Path = MORPHS) -> np.ndarray:
    """(P, K) raw strength of London persons at `fractions` of their morph, never falling along a row.

    Read from a CSV of person and the strength at evenly spaced fractions (config/training/london_morphs.csv, labelled
    once with the teacher from morphs of 128 px faces). Raises ConfigError for a person that is not in it.
    """
    with path.open(newline='') as file:
        rows = {row[0]: np.array(row[1:], float) for row in csv.reader(file) if row and row[0] != 'person'}
    unknown = [person for person in persons if person not in rows]
    if unknown:
        raise ConfigError(f'{path} has no row for London person {unknown[0]}; label its morphs and add it')
    known = [np.maximum.accumulate(rows[person]) for person in persons]
    return np.array([np.interp(fractions, np.linspace(0, 1, len(row)), row) for row in known], np.float32)
