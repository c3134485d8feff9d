"""Fixtures of the tests of reports: evaluations of scripted frames and files of labels."""

import pytest


@pytest.fixture
def evaluated(tmp_path):
    """Tabulate and report frames; gives the folder."""
    from builders.evaluation import evaluate_frames

    return lambda frames, out='run', labels=(), **options: evaluate_frames(tmp_path / out, frames, labels, **options)


@pytest.fixture
def labelled(tmp_path):
    """Write a file of labels; gives its path."""

    def write(text: str, name: str = 'labels.csv'):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write
