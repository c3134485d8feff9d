"""Checks of paths, labels and output folders that take less than a second, before network and detector are loaded."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.runtime.files import check_new_path, make_folder, text_of_name


def check_exists(*paths: Path | None) -> None:
    """Refuse a path of a file or folder that does not exist; None is not checked."""
    for path in paths:
        if path is not None and not path.expanduser().exists():
            raise ConfigError(f'no file or folder {text_of_name(path)!r}')


def check_evaluation(args: argparse.Namespace) -> None:
    """Refuse inputs, label files, sound and output folder of `evaluate` that cannot be used; makes the folder."""
    from affect_perception.evaluation.offline.inputs import check_recording

    for given in args.input:
        check_recording(given)
    if args.audio not in (None, 'auto', 'off'):
        check_exists(Path(args.audio))
    for path in args.labels:
        if not path.exists():
            raise ConfigError(f'no label file {text_of_name(path)}; give an .eaf, .csv or .txt file, or a folder')
    make_folder(args.out)
    if len(args.input) == 1:
        check_file(Path(args.input[0]).expanduser())


def check_labels(labels: Sequence[Path], truth: Path | None, recordings: Sequence[str]) -> None:
    """Read the true tracks, and the labels of every recording; ConfigError where those of none can be used.

    Otherwise each recording without usable labels is told on stderr; its evaluation fails when its turn comes.
    """
    if truth is not None:
        from affect_perception.evaluation.metrics.mot import check_truth

        check_truth(truth)
    if not labels:
        return
    from affect_perception.evaluation.labels.reader import read_labels

    errors: dict[str, ConfigError] = {}
    for name in recordings:
        try:
            read_labels(labels, name)
        except ConfigError as error:
            errors[name] = error
    if len(errors) == len(recordings):
        raise next(iter(errors.values()))
    for name, reason in errors.items():
        print(f'affect-perception: {text_of_name(name)} will fail: {reason}', file=sys.stderr)


def check_run(source: str, record: Path | None, audio_file: str | None) -> None:
    """Refuse a source and files to write of `run` that cannot be used."""
    from affect_perception.sources import check_source

    check_source(source)
    if record is not None:
        check_new_path('--record', record)
    if audio_file:
        check_new_path('--audio-file', Path(audio_file).expanduser())
    check_file(Path(source).expanduser())


def check_file(path: Path) -> None:
    """Refuse a file that is no image, video or bag, by its start; folders and addresses pass."""
    from affect_perception.sources.file_kinds import HIDDEN, kind_of

    if path.is_file():
        kind = kind_of(path)
        if kind.reason and kind.kind != HIDDEN:
            wanted = '' if 'a bag' in kind.reason else '; wanted an image, a video or a bag'
            raise ConfigError(f'{text_of_name(path)} {kind.reason}{wanted}')
