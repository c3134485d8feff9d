"""Where model and reference differ longest: the places of a recording to look at first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from affect_perception.evaluation.metrics.agreement import runs_of
from affect_perception.evaluation.report.analysis import MODEL, Analysis


@dataclass(frozen=True)
class Disagreement:
    """A stretch in which the model and the reference say different levels all the time."""

    person: str
    start_s: float
    end_s: float
    reference: str
    model: str


def disagreements(analysis: Analysis, most: int = 10) -> list[Disagreement]:
    """The longest ones: where to look first."""
    smile, times, period = analysis.classes.get('smile'), analysis.run.times, analysis.run.period_s
    if smile is None:
        return []
    found = []
    for person, true, said in zip(analysis.people, smile.said[smile.reference], smile.said[MODEL], strict=True):
        differ = np.where(np.isnan(true) | np.isnan(said) | (true == said), np.nan, true * len(smile.names) + said)
        for start, end, pair in runs_of(differ):
            names = smile.names[pair // len(smile.names)], smile.names[pair % len(smile.names)]
            found.append(Disagreement(person, float(times[start]), float(times[end - 1] + period), *names))
    return sorted(found, key=lambda d: (d.start_s - d.end_s, d.start_s))[:most]
