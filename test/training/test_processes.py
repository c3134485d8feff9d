"""Numbers mapped by several processes: in order, and never waiting for one that died."""

from functools import partial

import pytest
import torch
from builders.processes import dying, power

from affect_perception.errors import AffectPerceptionError
from affect_perception.training.processes import in_processes


@pytest.mark.slow
def test_results_come_in_order_whoever_makes_them():
    torch.ones(512, 512) @ torch.ones(512, 512)  # threads that a forked process would wait for
    wanted = [number**2 for number in range(20)]
    assert list(in_processes(partial(power, 2), 20, 1)) == wanted
    assert list(in_processes(partial(power, 2), 20, 2)) == wanted


@pytest.mark.slow
def test_worker_that_dies_is_told_of():
    with pytest.raises(AffectPerceptionError, match='died, perhaps out of memory; resume with a lower `workers`'):
        list(in_processes(dying, 4, 2))
