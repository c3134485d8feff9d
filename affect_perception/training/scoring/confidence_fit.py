"""Confidence read-out of a trained network, fitted anew on its frozen features with many more unreadable pictures.

In training one picture in eight cannot be read, of a dozen kinds, too few for a linear read-out to tell them apart from
hard faces. Here there are nearly as many as faces, each weighted NEGATIVES, so that the confidence of faces stays the
share of right readings. The cost per face does not change.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Generator, Tensor

from affect_perception.models.smile_va import READ_OUTS, USUAL_GAP_S, SmileVa
from affect_perception.training.data.augmentation import augmented, degraded
from affect_perception.training.data.batches import stills_of
from affect_perception.training.data.face_sets import Sets
from affect_perception.training.losses import is_right
from affect_perception.training.scoring.temporal_probe import read_films
from affect_perception.training.settings import TrainingSettings
from affect_perception.training.synthetic.negatives import no_face
from affect_perception.training.synthetic.sequences import embeddings

CONFIDENCE = READ_OUTS - 1  # number of the read-out
MOST = 1700  # faces of each set
MORPHED, SPOILT, DRAWN = 700, 1800, 1400  # London faces at random fractions, spoilt faces, pictures without a face
STRENGTH = 0.6  # of augmentation
FRAMES = (0, 5)  # of a held picture, after which its confidence is fitted
NEGATIVES, REGULARISATION = 0.4, 0.003  # chosen on validation: most unreadable ones below 0.3, at most 4 % of faces


def fit_confidence(model: SmileVa, sets: Sets, settings: TrainingSettings, split: str = 'train') -> None:
    """Replace the confidence read-out of `model` by a logistic regression on its embedding and recurrent state.

    A network that reads no face rightly, or all pictures, keeps its read-out: there is nothing to tell apart.
    """
    from sklearn.linear_model import LogisticRegression

    features, right, face = confidence_data(model, sets, settings, split)
    if right.all() or not right.any():
        return
    middle, spread = features.mean(0), features.std(0) + 1e-6
    weights = np.where(face, 1.0, NEGATIVES)
    fit = LogisticRegression(C=REGULARISATION, max_iter=300).fit((features - middle) / spread, right, weights)
    slope = np.float32(fit.coef_[0] / spread)
    bias = float(fit.intercept_[0] - (fit.coef_[0] * middle / spread).sum())
    set_confidence(model, slope, bias)


@torch.no_grad()
def set_confidence(model: SmileVa, slope: np.ndarray, bias: float) -> None:
    """Set the read-out: `slope` (E + hidden,) of embedding and recurrent state, and its bias."""
    size, device = model.embedding_size, model.temporal_head.weight.device
    for linear, part, shift in ((model.head.linear, slope[:size], bias), (model.temporal_head, slope[size:], 0.0)):
        linear.weight[CONFIDENCE] = torch.from_numpy(np.float32(part)).to(device)
        linear.bias[CONFIDENCE] = shift


@torch.no_grad()
def confidence_data(
    model: SmileVa, sets: Sets, settings: TrainingSettings, split: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, E + hidden), whether the smile was read rightly (N,), and whether a readable face is shown (N,)."""
    seed = settings.seed * 1_000_003 + 41 + len(split)
    rng, generator, morphs = np.random.default_rng(seed), Generator().manual_seed(seed), sets['Morphs'][split]
    device = next(model.parameters()).device
    crops, share, strength = [], [], []
    for faces, _ in stills_of(sets, settings, split):
        chosen = rng.permutation(len(faces))[:MOST]
        crops.append(faces.crops[chosen])
        share.append(faces.share[chosen])
        strength.append(faces.strength[chosen])
    person, step = rng.integers(len(morphs), size=MORPHED), rng.integers(morphs.crops.shape[1], size=MORPHED)
    crops.append(morphs.crops[person, step])
    share.append(morphs.share[person, step])
    strength.append(morphs.strength[person, step])
    whole = np.concatenate(crops)
    truth = [torch.from_numpy(np.float32(np.concatenate(part))) for part in (share, strength)]
    spoilt = whole[rng.permutation(len(whole))[:SPOILT]]
    drawn = np.stack([no_face(rng, whole[i]) for i in rng.integers(len(whole), size=DRAWN)])

    def seen(pictures: np.ndarray) -> Tensor:
        return augmented(torch.from_numpy(pictures).float(), generator, STRENGTH)

    parts = [seen(whole), degraded(seen(spoilt), 1.1, generator)[0], seen(drawn)]
    found = []
    for number, pictures in enumerate(parts):
        embedding = torch.cat([embeddings(model, part) for part in pictures.split(128)])
        gaps = torch.full((len(embedding), FRAMES[-1] + 1), USUAL_GAP_S)
        held = embedding[:, None].expand(-1, gaps.shape[1], -1)
        output = read_films(model, held, gaps)
        hidden = model.hidden_of(held.to(device), gaps.to(device)).cpu()
        right = is_right(output, truth[0][:, None], truth[1][:, None], settings.tolerance) if number == 0 else None
        for frame in FRAMES:
            known = np.zeros(len(embedding), bool) if right is None else right[:, frame].numpy()
            found.append(
                (torch.cat([embedding, hidden[:, frame]], -1).numpy(), known, np.full(len(known), number == 0))
            )
    features, right_all, face = (np.concatenate(column) for column in zip(*found, strict=True))
    return features, right_all, face
