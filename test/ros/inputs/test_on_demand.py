"""Rate limits of outputs."""

import pytest

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')
from affect_perception.ros.inputs.on_demand import RateLimit

pytestmark = pytest.mark.ros


def test_rate_limit_is_even_and_does_not_halve_what_comes_as_often_as_it_may():
    def passed(times, rate):
        pace, let = RateLimit(), []
        for now in times:
            if pace.due(now, rate):
                pace.passed(now, rate)
                let.append(now)
        return let

    assert passed([100 + i / 30 for i in range(300)], 10.0)[3:9] == pytest.approx([100 + i / 10 for i in range(2, 8)])
    jitter = [100 + i / 10 + 0.01 * (-1) ** i for i in range(100)]
    assert len(passed(jitter, 10.0)) == 100
    assert len(passed([0.0, 50.0, 50.01, 50.02, 50.03], 10.0)) <= 3, 'no burst after a rest'
