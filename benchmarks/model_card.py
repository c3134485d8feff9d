"""Scores of model cards: validation and test scores of shipped weights, and their confidence for unreadable pictures.

`python benchmarks/model_card.py smile_va smile_va_open` in the repository root, with the data sets in ../shared/data;
20 minutes on one core. Prints the rows of each card and one JSON object as the last line. Nothing is fitted or chosen.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import skimage.data
import torch

from affect_perception.models import checkpoint
from affect_perception.models.smile_va import SmileVa
from affect_perception.training.data.face_sets import Sets, load_sets
from affect_perception.training.scoring import temporal_report
from affect_perception.training.scoring.temporal_probe import Probe
from affect_perception.training.scoring.unreadable import confidence_rows, unreadable
from affect_perception.training.settings import load_settings

SPLITS = {'val': 'validation', 'test': 'test'}
KEPT = 400  # photographs of each validation split, for the confidence of faces that can be read


def things() -> dict[str, np.ndarray]:
    """Photographs of scikit-image without a human face, as grey crops of 96 px: a cat, and other things."""
    cat = cv2.cvtColor(skimage.data.chelsea(), cv2.COLOR_RGB2GRAY)
    cats = [cat[y : y + 180, x : x + 180] for x in (100, 120, 140, 160) for y in (0, 20, 40, 60)]
    coffee = cv2.cvtColor(skimage.data.coffee(), cv2.COLOR_RGB2GRAY)
    photos = [skimage.data.coins(), skimage.data.brick(), skimage.data.grass(), skimage.data.gravel(), coffee]
    parts = [photo[y : y + 150, x : x + 150] for photo in photos for y in (0, 60) for x in (0, 100)]

    def small(pictures: list[np.ndarray]) -> np.ndarray:
        return np.stack([cv2.resize(one, (96, 96), interpolation=cv2.INTER_AREA) for one in pictures])

    return {'cat (scikit-image)': small(cats), 'things (scikit-image)': small(parts)}


def card(name: str, sets: Sets, data: str) -> dict:
    """Scores by split, the threshold of UNKNOWN and the rows of the confidence of one model."""
    loaded = checkpoint.load(name)
    model = loaded.model
    if not isinstance(model, SmileVa):
        raise SystemExit(f'{name} is no smile_va; give smile_va or smile_va_open')
    model.fold()
    recipe = Path(__file__).parents[1] / 'config' / 'training' / f'{loaded.name}.yaml'
    settings = load_settings(recipe).changed(data=data, device='cpu', workers=1, threads=torch.get_num_threads())
    scores = {
        said: temporal_report.report(model, Probe(model, sets, split, settings), sets, settings, split)
        for split, said in SPLITS.items()
    }
    faces = sets['London']['test'].crops
    readable = {'London portraits (test)': faces}
    readable |= {f'{of} (validation)': sets[of]['val'].crops[:KEPT] for of in ('LFW', 'FER+')}
    pictures = readable | unreadable(faces) | things()
    rows = confidence_rows(model, pictures, loaded.min_confidence)
    return {'scores': scores, 'min_confidence': loaded.min_confidence, 'confidence': rows}


def printed(name: str, found: dict) -> None:
    """Print the scores and the confidence of one model as tables."""
    print(f'\n{name}: score, validation, test, 95 % interval (test)')
    test, validation = found['scores']['test'], found['scores']['validation']
    for score in dict.fromkeys([*test, *validation]):
        value = '' if score not in validation else f'{validation[score]["value"]:.4f}'
        row = test.get(score)
        rest = '' if row is None else f'{row["value"]:8.4f}  {row["interval"][0]:.4f} to {row["interval"][1]:.4f}'
        print(f'{score:<36}{value:>8}{rest}')
    print(
        f'\n{name}: pictures, number, confidence (5 %, median, 95 %), below 0.3, UNKNOWN at {found["min_confidence"]}'
    )
    for kind, row in found['confidence'].items():
        numbers = f'{row["n"]:>5}{row["p5"]:>6}{row["median"]:>6}{row["p95"]:>6}'
        print(f'{kind:<34}{numbers}{row["below_03"]:>7.0%}{row["unknown"]:>7.0%}  said to smile {row["smiles"]:.0%}')


def main() -> None:
    """Parse, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('models', nargs='+', help='names or files of checkpoints')
    parser.add_argument('--data', default='../shared/data', help='folder of the data sets')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    sets = load_sets(
        load_settings(Path(__file__).parents[1] / 'config/training/smile_va.yaml').changed(
            data=args.data, prepared='', device='cpu'
        ),
        print,
    )
    found = {}
    for name in args.models:
        found[name] = card(name, sets, args.data)
        printed(name, found[name])
    print(json.dumps(found))


if __name__ == '__main__':
    main()
