"""What a node counts of itself, and how it says so: `/diagnostics` each second, one warning per kind of trouble."""

from __future__ import annotations

import array
import threading
import time
import traceback
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from affect_perception.errors import BadInputError

_PERIOD_S = 1.0
_RECENT = 300  # images over which diagnostics give percentiles: ten seconds of a usual camera


class Health:
    """Counters and timings of one node; safe to use from its worker threads.

    `dropped` is asked for the number of frames overtaken by newer ones, `details` for further key-value pairs. Timings
    are kept for the last images only, unless `keep_all` was called (benchmarks).
    """

    def __init__(self, node: Node, dropped: Callable[[], int], details: Callable[[], dict] = dict):
        self._node = node
        self._dropped = dropped
        self._details = details
        self._lock = threading.Lock()
        self._last = (0, 0, 0)  # processed, dropped, bad inputs at the last report
        self.processed = 0
        self.bad_inputs: Counter[str] = Counter()
        self._timings_ms: dict[str, deque | array.array] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        node.create_timer(_PERIOD_S, self.report)

    def keep_all(self) -> None:
        """From now on every timing is kept (4 bytes each)."""
        with self._lock:
            self._timings_ms = defaultdict(lambda: array.array('f'))

    def timings_ms(self) -> dict[str, np.ndarray]:
        """The timings kept, by stage; `latency` is from the stamp of the image to the end of this node's work."""
        with self._lock:
            return {stage: np.array(values, np.float32) for stage, values in self._timings_ms.items()}

    def done(self, latency_ms: float) -> None:
        """One image has been processed, `latency_ms` after its stamp."""
        with self._lock:
            self.processed += 1
            self._timings_ms['latency'].append(latency_ms)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Times a stage of the work on one image."""
        start = time.perf_counter()
        yield
        self.time(stage, time.perf_counter() - start)

    def time(self, stage: str, seconds: float) -> None:
        """A stage of the work on one image took this long."""
        with self._lock:
            self._timings_ms[stage].append(seconds * 1e3)

    def bad_input(self, error: Exception, outcome: str = 'skipped') -> None:
        """Counts an input that is not as it should be; the first of each kind is warned of, with what came of it."""
        kind = error.kind if isinstance(error, BadInputError) else 'internal'
        with self._lock:
            self.bad_inputs[kind] += 1
            first = self.bad_inputs[kind] == 1
        if first and kind == 'internal':
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._node.get_logger().error(
                f'{type(error).__name__}: {error} ({where.filename}:{where.lineno}); skipped, further ones are only '
                'counted in /diagnostics. This is a mistake of ours: please report it'
            )
        elif first:
            self._node.get_logger().warning(
                f'bad input ({kind}): {error}; {outcome}, further ones of this kind are only counted in /diagnostics'
            )

    def report(self) -> None:
        """Publishes the state of the last second."""
        with self._lock:
            processed, dropped, bad = self.processed, self._dropped(), dict(self.bad_inputs)
        now = (processed, dropped, sum(bad.values()))
        processed_since, dropped_since, bad_since = (a - b for a, b in zip(now, self._last, strict=True))
        self._last = now
        rate = processed_since / _PERIOD_S
        if bad_since:
            level, text = DiagnosticStatus.WARN, f'{bad_since} bad inputs in the last second'
        elif processed_since == 0:
            level, text = DiagnosticStatus.STALE, 'no images'
        elif dropped_since > processed_since:
            level, text = DiagnosticStatus.WARN, 'dropping more frames than are processed'
        else:
            level, text = DiagnosticStatus.OK, f'{rate:.0f} frames per second'
        values = {
            'rate_hz': f'{rate:.1f}',
            'frames_processed': processed,
            'frames_dropped': dropped,
            **{f'bad_inputs_{kind}': count for kind, count in bad.items()},
        }
        for stage, timings in self.timings_ms().items():
            p50, p95 = np.percentile(timings[-_RECENT:], (50, 95))
            values[f'{stage}_ms_p50'], values[f'{stage}_ms_p95'] = f'{p50:.1f}', f'{p95:.1f}'
        values.update(self._details())
        status = DiagnosticStatus(
            level=level, name=self._node.get_fully_qualified_name()[1:], message=text, hardware_id='affect_perception'
        )
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        self._publisher.publish(message)
