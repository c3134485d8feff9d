"""YAML of others: values within limits, one reason in one line for everything else."""

import pytest

from affect_perception.runtime.yaml_text import read_yaml


def test_usual_values_and_anchors_are_read():
    assert read_yaml('a: &x [1, {b: 2}]\nc: *x') == {'a': [1, {'b': 2}], 'c': [1, {'b': 2}]}
    assert read_yaml('') is None


LAUGHS = 'a: &a [x,x,x,x,x,x,x,x,x]\n' + ''.join(
    f'{b}: &{b} [{",".join(["*" + a] * 9)}]\n' for a, b in zip('abcdefgh', 'bcdefghi', strict=True)
)


@pytest.mark.parametrize(
    'text',
    [
        'x: ' + '[' * 100_000,
        'x: ' + '{a: ' * 5000,
        '- ' * 5000 + 'x',
        ''.join('\n' + ' ' * depth + 'a:' for depth in range(300)),
        LAUGHS,
        'a: &a {b: *a}',
        'a: &a [*a]',
        'a: [',
        '\x00',
        'x' * 5_000_000,
        'a: 2026-99-99',
        '? [[]]\n: x',
    ],
    ids=[
        'brackets',
        'braces',
        'dashes',
        'indents',
        'laughs',
        'itself',
        'own_list',
        'open',
        'nul',
        'long',
        'date',
        'key',
    ],
)
def test_hostile_text_is_refused_in_one_line(text):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - any reason, in one line
        read_yaml(text)
    assert str(caught.value)
    assert '\n' not in str(caught.value)
