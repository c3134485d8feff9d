"""Losses and metrics that several papers share, over the entries with a label.

A target is unlabelled where it is NaN (numbers) or below 0 (classes).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

EPSILON = 1e-8


def moments(x: Tensor, y: Tensor, weight: Tensor, dim: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Weighted means, variances and covariance of x and y along `dim`; entries of weight 0 do not count."""
    total = weight.sum(dim, keepdim=True).clamp_min(EPSILON)
    mean_x, mean_y = ((weight * v).sum(dim, keepdim=True) / total for v in (x, y))
    dx, dy = x - mean_x, y - mean_y
    var_x, var_y, cov = ((weight * v).sum(dim, keepdim=True) / total for v in (dx * dx, dy * dy, dx * dy))
    return mean_x.squeeze(dim), mean_y.squeeze(dim), var_x.squeeze(dim), var_y.squeeze(dim), cov.squeeze(dim)


def known(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Predictions and targets with 0 in place of unlabelled entries, and the 0/1 weight of each entry."""
    there = ~y.isnan()
    return x * there, torch.where(there, y, torch.zeros_like(y)), there.to(x.dtype)


def ccc(x: Tensor, y: Tensor, dim: int = 0, weight: Tensor | None = None) -> Tensor:
    """Concordance correlation coefficient along `dim` (Lin 1989): 2 cov / (var x + var y + (mean x − mean y)²).

    `weight` of the shape of x multiplies each labelled entry. Without any spread or distance the result is 0.
    """
    x, y, there = known(x, y)
    mean_x, mean_y, var_x, var_y, cov = moments(x, y, there if weight is None else there * weight, dim)
    return 2 * cov / (var_x + var_y + (mean_x - mean_y).square()).clamp_min(EPSILON)


def pearson(x: Tensor, y: Tensor, dim: int = 0, weight: Tensor | None = None) -> Tensor:
    """Pearson's correlation along `dim`; 0 where either side is constant."""
    x, y, there = known(x, y)
    _, _, var_x, var_y, cov = moments(x, y, there if weight is None else there * weight, dim)
    return cov / (var_x * var_y).clamp_min(EPSILON**2).sqrt()


def mse(x: Tensor, y: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean squared error over the labelled entries; 0 without any."""
    x, y, there = known(x, y)
    there = there if weight is None else there * weight
    return (there * (x - y).square()).sum() / there.sum().clamp_min(EPSILON)


def cross_entropy(logits: Tensor, classes: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean cross entropy of logits (..., K) with classes (...), over classes of at least 0; 0 without any.

    `weight` of the shape of the classes: the mean is weighted by it.
    """
    flat = classes.flatten().long()
    total = functional.cross_entropy(logits.flatten(0, -2), flat.clamp_min(-1), ignore_index=-1, reduction='none')
    there = (flat >= 0).to(total.dtype)
    share = there if weight is None else there * weight.flatten()
    return (share * total).sum() / there.sum().clamp_min(1)


def accuracy(logits: Tensor, classes: Tensor) -> float:
    """Share of labelled entries whose highest logit (..., K) is that of the class; NaN without any."""
    there = classes >= 0
    return float((logits.argmax(-1)[there] == classes[there]).double().mean())


def macro_f1(logits: Tensor, classes: Tensor) -> float:
    """F1 of each class that occurs in targets or predictions, averaged; NaN without labels."""
    there = classes >= 0
    said, true = logits.argmax(-1)[there], classes[there]
    scores = []
    for index in range(logits.shape[-1]):
        hits = int(((said == index) & (true == index)).sum())
        total = int((said == index).sum() + (true == index).sum())
        if total:
            scores.append(2 * hits / total)
    return sum(scores) / len(scores) if scores else float('nan')


def _columns(metric: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], float]:
    def over_columns(x: Tensor, y: Tensor) -> float:
        x, y = x.reshape(-1, x.shape[-1]), y.reshape(-1, y.shape[-1])
        labelled = ~y.isnan().all(0)
        return float(metric(x[:, labelled], y[:, labelled]).mean())

    return over_columns


# Metric of predictions and targets over a whole split; numbers (..., D) are averaged over their labelled columns.
METRICS: dict[str, Callable[[Tensor, Tensor], float]] = {
    'ccc': _columns(ccc),
    'pearson': _columns(pearson),
    'accuracy': accuracy,
    'macro_f1': macro_f1,
}
