"""`affect-perception train`, `ablate` and `models`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from affect_perception.cli.checks import check_exists
from affect_perception.cli.flags import Commands


def add_parsers(commands: Commands) -> None:
    """Add the parsers of `train`, `ablate` and `models`."""
    train = commands.add_parser('train', help='train a model from a configuration file')
    train.add_argument('config', type=Path, metavar='CONFIG', help='training file, as config/training/smile_va.yaml')
    train.add_argument('--out', type=Path, help='folder for checkpoints (default: runs/<name>)')
    train.add_argument('--resume', action='store_true', help='continue from the last checkpoint of that folder')
    train.set_defaults(call=_train)
    ablate = commands.add_parser('ablate', help="a paper's tables and figures on prepared data")
    ablate.add_argument(
        'paper', metavar='PAPER', help='witzig2019, qian2023, vielzeuf2018, parthasarathy2020, aspandi2020'
    )
    ablate.add_argument('--config', type=Path, help='training file (default: config/papers/PAPER.yaml)')
    ablate.add_argument('--data', default='', metavar='DIR', help='prepared set (default: that of the training file)')
    ablate.add_argument('--out', type=Path, help='folder for table, plot and JSON (default: runs/ablate_PAPER)')
    ablate.add_argument(
        '--seeds', type=int, default=1, help='networks per row of vielzeuf2018, which are also ensembles (default: 1)'
    )
    ablate.add_argument(
        '--epochs', type=int, default=0, help='epochs of every stage (default: those of the training file)'
    )
    ablate.set_defaults(call=_ablate)
    models = commands.add_parser('models', help='installed checkpoints, their main scores and terms')
    models.set_defaults(call=_models)


def _train(args: argparse.Namespace) -> int:
    check_exists(args.config)
    from affect_perception.training.train import main as train

    return train(args.config, args.out, args.resume)


def _ablate(args: argparse.Namespace) -> dict[str, Any]:
    check_exists(args.config)
    from affect_perception.training.papers.ablations import Options, ablate

    config = args.config or Path('config') / 'papers' / f'{args.paper}.yaml'
    out = args.out or Path('runs') / f'ablate_{args.paper}'
    result = ablate(args.paper, Options(config, out, args.data, args.seeds, args.epochs))
    print((out / 'table.md').read_text())
    return result


def _models(_: argparse.Namespace) -> None:
    from affect_perception.models.checkpoint import installed_report

    print(installed_report())
