"""The longest disagreements of model and reference, which are the parts of a recording to look at first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affect_perception.evaluation.metrics.runs import find_runs
from affect_perception.evaluation.report.analysis import Analysis
from affect_perception.evaluation.report.ratings import MODEL


@dataclass(frozen=True)
class Disagreement:
    """A stretch in which the model and the reference give two different levels throughout."""

    person: str
    start_s: float
    end_s: float
    reference: str
    model: str


def disagreements(analysis: Analysis, most: int = 10) -> list[Disagreement]:
    """The `most` longest disagreements on smile levels, longest first; [] where no smile is labelled."""
    smile, times, period = analysis.classes.get('smile'), analysis.run.times, analysis.run.period_s
    if smile is None:
        return []
    found = []
    ratings = zip(analysis.people, smile.ratings[smile.reference], smile.ratings[MODEL], strict=True)
    for person, reference, model in ratings:
        same = np.isnan(reference) | np.isnan(model) | (reference == model)
        differ = np.where(same, np.nan, reference * len(smile.names) + model)
        for start, end, pair in find_runs(differ):
            names = smile.names[pair // len(smile.names)], smile.names[pair % len(smile.names)]
            found.append(Disagreement(person, float(times[start]), float(times[end - 1] + period), *names))
    return sorted(found, key=lambda d: (d.start_s - d.end_s, d.start_s))[:most]
