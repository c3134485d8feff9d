"""Names of the basic expressions (Ekman's six, neutral and contempt), used by labels, models and messages alike.

The order here is that of labels. A model has its own order, fixed by its weights, of the same names.
"""

from __future__ import annotations

EXPRESSIONS = ('neutral', 'anger', 'disgust', 'fear', 'happiness', 'sadness', 'surprise', 'contempt')
_ADJECTIVES = {
    'angry': 'anger',
    'disgusted': 'disgust',
    'fearful': 'fear',
    'scared': 'fear',
    'happy': 'happiness',
    'sad': 'sadness',
    'surprised': 'surprise',
}


def expression_name(word: str) -> str:
    """Name in EXPRESSIONS of a word such as `Happy` or `happiness`; any other word in lower case."""
    word = word.strip().lower()
    return _ADJECTIVES.get(word, word)
