"""What a node counts of itself, and how it says so: `/diagnostics` each second, one warning per kind of trouble."""

from __future__ import annotations

import array
import threading
import time
import traceback
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from affect_perception.errors import BadInputError
from affect_perception.ros.parameters import declare
from affect_perception.settings import DiagnosticsSettings

_PERIOD_S = 1.0
_FEW = 3  # bad inputs are no error yet
_ANOTHER_CLOCK_MS = 3.6e6  # latencies beyond an hour are none
TASKS = {  # the last part of the name of a node's status: `affect_perception: affect_node: inference`
    'camera_node': 'capture',
    'face_tracker_node': 'tracking',
    'affect_node': 'inference',
    'agent_node': 'behaviour',
    'marker_node': 'drawing',
    'hri_node': 'mirror',
    'dashboard_node': 'page',
}
_RECENT = 300  # images over which diagnostics give percentiles: ten seconds of a usual camera


@dataclass(frozen=True)
class Lately:
    """What a node did since its last report. `silent_s`: since the last input, None if none has come yet."""

    seconds: float
    processed: int = 0
    dropped: int = 0
    bad: int = 0
    silent_s: float | None = 0.0
    latency_ms: float = 0.0


def diagnose(lately: Lately, settings: DiagnosticsSettings) -> tuple[bytes, str]:
    """Level (OK, WARN, ERROR or STALE) and message of a node's diagnostics."""
    warn, error = DiagnosticStatus.WARN, DiagnosticStatus.ERROR
    found = []
    if lately.bad:
        share = lately.bad / (lately.bad + lately.processed)
        level = error if lately.bad >= _FEW and share >= settings.bad_error else warn
        found.append((level, f'{lately.bad} bad inputs in the last second'))
    if lately.silent_s is None:
        return found[0] if found else (DiagnosticStatus.STALE, 'nothing has come yet')
    if lately.silent_s > settings.silence_warn_s:
        level = error if lately.silent_s > settings.silence_error_s else warn
        found.append((level, f'nothing has come for {lately.silent_s:.0f} s'))
    dropped = lately.dropped / max(lately.dropped + lately.processed, 1)
    if dropped > settings.drops_warn:
        level = error if dropped > settings.drops_error else warn
        found.append((level, f'{dropped:.0%} of the images of the last second dropped'))
    if abs(lately.latency_ms) > _ANOTHER_CLOCK_MS:
        found.append((warn, 'the stamps are not of this clock (a recording? set use_sim_time)'))
    elif lately.processed and lately.latency_ms > settings.latency_warn_ms:
        level = error if lately.latency_ms > settings.latency_error_ms else warn
        found.append((level, f'latency {lately.latency_ms:.0f} ms'))
    if not found:
        return DiagnosticStatus.OK, f'{lately.processed / lately.seconds:.0f} frames per second'
    return max(level for level, _ in found), '; '.join(text for _, text in found)


class NodeDiagnostics:
    """Counters and timings of one node; safe to use from its worker threads.

    `dropped` is asked for the number of frames overtaken by newer ones, `details` for further key-value pairs,
    `problem` for what is wrong beyond counts (ERROR) and `idle_reason` for why there is nothing to do (OK); both give '' when
    there is no such thing. Timings are kept for the last images only, unless `keep_all` was called (benchmarks).
    """

    def __init__(
        self,
        node: Node,
        dropped: Callable[[], int],
        details: Callable[[], dict] = dict,
        problem: Callable[[], str] = str,
        idle_reason: Callable[[], str] = str,
    ):
        self._node = node
        self._dropped = dropped
        self._details = details
        self._problem = problem
        self._rests = idle_reason
        self._settings = declare(node, DiagnosticsSettings, on_change=self._change)
        self._lock = threading.Lock()
        self._last = (0, 0, 0)  # processed, dropped, bad inputs at the last report
        self._reported = time.monotonic()
        self._heard: float | None = None  # when the last input came
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
            self._heard = time.monotonic()
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
            self._heard = time.monotonic()
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
        """Publishes the state since the last report."""
        with self._lock:
            processed, dropped, bad = self.processed, self._dropped(), dict(self.bad_inputs)
        now, moment = (processed, dropped, sum(bad.values())), time.monotonic()
        since = [a - b for a, b in zip(now, self._last, strict=True)]
        seconds = max(moment - self._reported, 1e-3)
        self._last, self._reported = now, moment
        values = {
            'rate_hz': f'{since[0] / seconds:.1f}',
            'frames_processed': processed,
            'frames_dropped': dropped,
            'bad_inputs': now[2],
            **{f'bad_inputs_{kind}': count for kind, count in bad.items()},
        }
        latency_ms = 0.0
        for stage, timings in self.timings_ms().items():
            p50, p95 = np.percentile(timings[-_RECENT:], (50, 95))
            values[f'{stage}_ms_p50'], values[f'{stage}_ms_p95'] = f'{p50:.1f}', f'{p95:.1f}'
            latency_ms = float(p95) if stage == 'latency' else latency_ms
        values.update(self._details())
        silent_s = None if self._heard is None else moment - self._heard
        level, text = self._level(Lately(seconds, *since, silent_s, latency_ms))
        self._publisher.publish(self._message(level, text, values))

    def _level(self, lately: Lately) -> tuple[bytes, str]:
        problem, idle_reason = self._problem(), self._rests()
        if getattr(self._node, 'finished', False) and not lately.bad:
            idle_reason = 'finished'
        level, text = (DiagnosticStatus.OK, idle_reason) if idle_reason else diagnose(lately, self._settings)
        return (DiagnosticStatus.ERROR, f'{problem}; {text}') if problem else (level, text)

    def _message(self, level: bytes, text: str, values: dict) -> DiagnosticArray:
        name, path = self._node.get_name(), self._node.get_fully_qualified_name()[1:]
        status = DiagnosticStatus(
            level=level,
            name=f'affect_perception: {path}: {TASKS.get(name, "work")}',
            message=text,
            hardware_id='affect_perception',
        )
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        return message

    def _change(self, settings: DiagnosticsSettings) -> None:
        self._settings = settings
