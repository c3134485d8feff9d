"""Losses and metrics shared by the papers, against SciPy and scikit-learn."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from affect_perception.models.blocks.objectives import METRICS, accuracy, ccc, cross_entropy, macro_f1, mse, pearson


def pair(seed: int = 0, count: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, generator=generator)
    return x, 0.6 * x + 0.3 * torch.randn(count, generator=generator) + 0.2


def test_pearson_is_scipys():
    x, y = pair()
    assert float(pearson(x, y)) == pytest.approx(pearsonr(x.numpy(), y.numpy())[0], abs=1e-5)


def test_ccc_is_lins():
    x, y = (v.double().numpy() for v in pair())
    wanted = 2 * np.cov(x, y, bias=True)[0, 1] / (x.var() + y.var() + (x.mean() - y.mean()) ** 2)
    assert float(ccc(*pair())) == pytest.approx(wanted, abs=1e-5)
    assert float(ccc(pair()[0], pair()[0])) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize('metric', [ccc, pearson])
def test_unlabelled_entries_and_entries_of_weight_zero_do_not_count(metric):
    x, y = pair()
    longer, unlabelled = torch.cat([x, torch.ones(3) * 9]), torch.cat([y, torch.full((3,), torch.nan)])
    weight = torch.cat([torch.ones(50), torch.zeros(3)])
    assert float(metric(longer, unlabelled)) == pytest.approx(float(metric(x, y)), abs=1e-6)
    assert float(metric(longer, unlabelled.nan_to_num(4), weight=weight)) == pytest.approx(
        float(metric(x, y)), abs=1e-6
    )


@pytest.mark.parametrize('metric', [ccc, pearson])
def test_constant_and_empty_series_score_zero_with_finite_gradients(metric):
    for x, y in ((torch.zeros(4), torch.zeros(4)), (torch.ones(4), torch.full((4,), torch.nan)), pair(count=4)):
        given = x.clone().requires_grad_()
        score = metric(given, y)
        score.backward()
        assert torch.isfinite(given.grad).all()


def test_mse_and_cross_entropy_are_means_over_labelled_entries():
    x, y = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([0.0, torch.nan, 3.0])
    assert float(mse(x, y)) == pytest.approx(2.5)
    logits = torch.randn(2, 3, 4)
    classes = torch.tensor([[0, -1, 3], [1, 1, -1]])
    known = classes >= 0
    assert torch.allclose(
        cross_entropy(logits, classes), torch.nn.functional.cross_entropy(logits[known], classes[known])
    )


def test_accuracy_and_macro_f1_are_scikit_learns():
    from sklearn import metrics

    generator = torch.Generator().manual_seed(1)
    logits, classes = torch.randn(60, 4, generator=generator), torch.randint(0, 4, (60,), generator=generator)
    said = logits.argmax(1)
    assert accuracy(logits, classes) == pytest.approx(metrics.accuracy_score(classes, said))
    assert macro_f1(logits, classes) == pytest.approx(metrics.f1_score(classes, said, average='macro'))
    hidden = torch.cat([classes, torch.full((9,), -1)])
    assert macro_f1(torch.cat([logits, torch.randn(9, 4)]), hidden) == macro_f1(logits, classes)


def test_metrics_average_over_columns():
    x, y = pair()
    both = METRICS['ccc'](torch.stack([x, y], 1), torch.stack([x, x], 1))
    assert both == pytest.approx((1 + float(ccc(y, x))) / 2, abs=1e-5)
