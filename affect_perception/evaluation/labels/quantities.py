"""Labelled quantities: names of the classes, ranges of the numbers, and how a label text becomes a number."""

from __future__ import annotations

import math

from affect_perception import expressions
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.text import parse_number

SMILE_LEVELS = ('neutral', 'low', 'medium', 'high')
EXPRESSIONS = (*expressions.EXPRESSIONS, 'other')
CLASSES = {'smile': SMILE_LEVELS, 'expression': EXPRESSIONS}
RANGES = {'smile_intensity': (0.0, 1.0), 'valence': (-1.0, 1.0), 'arousal': (-1.0, 1.0)}
QUANTITIES = (*CLASSES, *RANGES)
# Witzig et al. 2019 leave their fifth level, Subtle, out of all results: annotators do not agree on it. So do we.
_SMILE_WORDS = {'none': 0.0, 'no smile': 0.0, 'subtle': math.nan, '': math.nan, 'unknown': math.nan}


def parse_value(quantity: str, text: str, where: str) -> float:
    """Convert a label text to its number: class index from 0, or value; NaN for "not labelled".

    `where` is the place in the file. Raises ConfigError with that place and the accepted values.
    """
    word = text.strip().lower()
    if word in ('', 'nan'):
        return math.nan
    if quantity not in CLASSES:
        return _parse_number(quantity, word, where)
    names = CLASSES[quantity]
    if quantity == 'expression':
        word = 'happiness' if word == 'smile' else expressions.expression_name(word)
    if word in names:
        return float(names.index(word))
    if quantity == 'smile' and word in _SMILE_WORDS:
        return _SMILE_WORDS[word]
    if quantity == 'smile' and word.isdecimal() and int(word) < len(names):
        return float(word)
    more = ', subtle (left out, as in Witzig et al.), or 0 to 3' if quantity == 'smile' else ''
    raise ConfigError(f'{where}: unknown {quantity} {text.strip()!r}; wanted {", ".join(names)}{more}')


def _parse_number(quantity: str, word: str, where: str) -> float:
    value = parse_number(word)
    low, high = RANGES.get(quantity, (-math.inf, math.inf))
    if not math.isfinite(value) or not low <= value <= high:
        wanted = f'a number in {low:g} to {high:g}' if quantity in RANGES else 'a number'
        raise ConfigError(f'{where}: {quantity} is {word!r}; wanted {wanted}')
    return value
