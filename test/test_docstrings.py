"""First words of docstrings: terms for what goes in and out, no pronouns and no question words."""

import ast
import re

from conftest import ROOT

UNCLEAR = re.compile(
    r'(What|How|Who|Where|Which|When|Why|It|They|That|Those|These|Somebody|Nobody|Everybody|Something|The same)\b'
)
FOLDERS = ('affect_perception', 'benchmarks', 'launch', 'resource', 'test')


def unclear_docstrings(source: str) -> list[str]:
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = [ast.get_docstring(node) or '' for node in ast.walk(ast.parse(source)) if isinstance(node, nodes)]
    return [text.split('\n')[0] for text in texts if UNCLEAR.match(text)]


def test_a_docstring_that_begins_with_a_question_word_is_found():
    assert unclear_docstrings('def f():\n    """What is read."""') == ['What is read.']
    assert unclear_docstrings('"""Item that is read."""') == []


def test_docstrings_begin_with_a_term_or_an_imperative():
    files = [file for folder in FOLDERS for file in (ROOT / folder).rglob('*.py')]
    assert len(files) > 300
    assert {str(f.relative_to(ROOT)): found for f in files if (found := unclear_docstrings(f.read_text()))} == {}
