"""Names of expressions: one list for labels, models and messages."""

import pytest

from affect_perception.evaluation.labels import quantities
from affect_perception.expressions import EXPRESSIONS, expression_name


@pytest.mark.parametrize(
    ('word', 'name'),
    [('Happy', 'happiness'), (' fear ', 'fear'), ('scared', 'fear'), ('Contempt', 'contempt'), ('bored', 'bored')],
)
def test_words_of_data_sets_and_models_have_one_name(word, name):
    assert expression_name(word) == name


def test_labels_are_the_same_names_and_other():
    assert (*EXPRESSIONS, 'other') == quantities.EXPRESSIONS
    assert quantities.parse_value('expression', 'Smile', 'here') == EXPRESSIONS.index('happiness')


def test_models_name_the_same_expressions_in_their_own_order():
    smile_va = pytest.importorskip('affect_perception.models.smile_va', reason='needs torch')
    assert sorted(smile_va.EXPRESSIONS) == sorted(EXPRESSIONS)
