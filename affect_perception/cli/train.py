"""`affect-perception train` and `affect-perception models`."""

from __future__ import annotations

import argparse
from pathlib import Path

from affect_perception.cli.flags import Commands


def add_parsers(commands: Commands) -> None:
    """Add the parsers of `train` and `models`."""
    train = commands.add_parser('train', help='train a model from a configuration file')
    train.add_argument('config', type=Path)
    train.add_argument('--out', type=Path, help='folder for checkpoints (default: runs/<name>)')
    train.add_argument('--resume', action='store_true', help='continue from the last checkpoint of that folder')
    train.set_defaults(call=_train)
    models = commands.add_parser('models', help='installed checkpoints, their scores and terms')
    models.set_defaults(call=_models)


def _train(args: argparse.Namespace) -> int:
    from affect_perception.training.train import main as train

    return train(args.config, args.out, args.resume)


def _models(_: argparse.Namespace) -> None:
    from affect_perception.models.checkpoint import installed_report

    print(installed_report())
