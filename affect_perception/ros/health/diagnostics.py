"""Counters and timings of a node, published on `/diagnostics` each second; one log line per kind of bad input."""

from __future__ import annotations

import array
import socket
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from affect_perception.errors import BadInputError
from affect_perception.ros.health.callbacks import timer
from affect_perception.ros.health.node_level import Activity, diagnose, stamp_problem
from affect_perception.ros.startup.parameters import declare_settings
from affect_perception.runtime.failures import described
from affect_perception.settings import DiagnosticsSettings

_PERIOD_S = 1.0
_NO_CLOCK_S = 5.0  # with use_sim_time and without a message on /clock, until that is told
TASKS = {  # last part of the name of a node's status: `affect_perception: affect_node: inference`
    'camera_node': 'capture',
    'face_tracker_node': 'tracking',
    'affect_node': 'inference',
    'audio_node': 'sound',
    'agent_node': 'behaviour',
    'marker_node': 'drawing',
    'hri_node': 'mirror',
    'dashboard_node': 'page',
    'recorder_node': 'recording',
}
T = TypeVar('T')

_RECENT = 300  # images over which diagnostics give percentiles: ten seconds of a usual camera


class NodeDiagnostics:
    """Counters and timings of one node, published each second; safe to use from its worker threads.

    Callbacks, called at each report: `dropped` returns the number of frames replaced by newer ones since the start,
    `details` further key-value pairs, `problem` an error beyond the counts (ERROR), `idle_reason` why there is nothing
    to do (OK); the last two return '' if there is none. `hardware_id` names the hardware that the node depends on (REP
    107), the computer by default. Timings are kept for the last images only, unless `keep_all` was called (benchmarks).
    Reports go by the steady clock, so that they come also while the time of a simulation stands still.
    """

    def __init__(
        self,
        node: Node,
        dropped: Callable[[], int],
        details: Callable[[], Mapping[str, object]] = dict,
        problem: Callable[[], str] = str,
        idle_reason: Callable[[], str] = str,
        hardware_id: str = '',
    ) -> None:
        self._node = node
        self._dropped = dropped
        self._details = details
        self._problem = problem
        self._idle_reason = idle_reason
        self._hardware_id = hardware_id or socket.gethostname()
        self._settings = declare_settings(node, DiagnosticsSettings, on_change=self._change)
        self._lock = threading.Lock()
        self._last = (0, 0, 0)  # processed, dropped, bad inputs at the last report
        self._started = self._reported = time.monotonic()
        self._last_input: float | None = None  # time of arrival
        self.processed = 0
        self.bad_inputs: Counter[str] = Counter()
        self._conditions: dict[str, str] = {}  # by name: text of what holds now, '' of what has held
        self._has_latency = True  # false: the stamp of the last image gives none
        self._timings_ms: dict[str, deque | array.array] = defaultdict(lambda: deque(maxlen=_RECENT))
        self._publisher = node.create_publisher(DiagnosticArray, '/diagnostics', 10)
        timer(node, _PERIOD_S, self.report, steady=True)

    def keep_all(self) -> None:
        """Keep every timing from now on (4 bytes each)."""
        with self._lock:
            self._timings_ms = defaultdict(lambda: array.array('f'))

    def timings_ms(self) -> dict[str, np.ndarray]:
        """Timings kept, by stage, (N,) float32; `latency` is from the image stamp to the end of this node's work."""
        with self._lock:
            return {stage: np.array(values, np.float32) for stage, values in self._timings_ms.items()}

    def done(self, latency_ms: float | None = None) -> None:
        """Count one processed image or message, `latency_ms` after its stamp (None: the stamp was not read).

        What a stamp of another clock gives is told, and is no latency.
        """
        problem = stamp_problem(latency_ms or 0.0)
        with self._lock:
            self.processed += 1
            self._last_input = time.monotonic()
            if latency_ms is not None and not problem:
                self._timings_ms['latency'].append(latency_ms)
        self._has_latency = not problem
        self.warn('stamps', problem)

    def warn(self, name: str, text: str) -> None:
        """Set a lasting condition by name, WARN in diagnostics while it holds; '' ends it. The first text is logged."""
        with self._lock:
            is_first = bool(text) and name not in self._conditions
            if is_first or name in self._conditions:
                self._conditions[name] = text
        if is_first:
            self._node.get_logger().warning(text)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Time the block as one stage of the work on an image."""
        start = time.perf_counter()
        yield
        self.time(stage, time.perf_counter() - start)

    def time(self, stage: str, seconds: float) -> None:
        """Record the duration of one stage of the work on an image."""
        with self._lock:
            self._timings_ms[stage].append(seconds * 1e3)

    def bad_input(self, error: Exception, outcome: str = 'skipped') -> None:
        """Count an input that cannot be used, by the kind of a BadInputError, and log the first of each kind.

        `outcome` says in the log line what is done instead. Any other exception is counted as `internal`, an error of
        this package, and logged with its place in the source.
        """
        with self._lock:
            self._last_input = time.monotonic()
        if isinstance(error, BadInputError):
            self.event(error.kind, str(error), outcome, label='bad input')
        else:
            self._mistake(error)

    def _mistake(self, error: Exception) -> None:
        """Count an error of this package as `internal`, and log the first."""
        if self._count('internal'):
            self._node.get_logger().error(
                f'{described(error)}; skipped, further ones are only counted in /diagnostics. '
                'This is a mistake of ours: please report it'
            )

    def event(self, kind: str, text: str, outcome: str = 'skipped', label: str = 'failure') -> None:
        """Count a failure of a part of the node (such as `detector`) under `kind`, and log the first of each kind."""
        if self._count(kind):
            self._node.get_logger().warning(
                f'{label} ({kind}): {text}; {outcome}, further ones of this kind are only counted in /diagnostics'
            )

    def _count(self, kind: str) -> bool:
        """Count one event; returns whether it is the first of its kind."""
        with self._lock:
            self.bad_inputs[kind] += 1
            return self.bad_inputs[kind] == 1

    def report(self) -> None:
        """Publish the activity since the last report, also when a callback of the constructor raises."""
        dropped = self._ask(self._dropped, self._last[1])
        problem, idle_reason = self._ask(self._problem, ''), self._ask(self._idle_reason, '')
        details: Mapping[str, object] = self._ask(self._details, {})
        with self._lock:
            processed, bad = self.processed, dict(self.bad_inputs)
        counts, now = (processed, dropped, sum(bad.values())), time.monotonic()
        seconds = max(now - self._reported, 1e-3)
        recent = [a - b for a, b in zip(counts, self._last, strict=True)]
        activity = Activity(
            seconds,
            processed=recent[0],
            dropped=recent[1],
            bad=recent[2],
            silent_s=None if self._last_input is None else now - self._last_input,
        )
        self._last, self._reported = counts, now
        values: dict[str, object] = {
            'rate_hz': f'{activity.processed / seconds:.1f}',
            'frames_processed': processed,
            'frames_dropped': dropped,
            'bad_inputs': counts[2],
            **{f'bad_inputs_{kind}': count for kind, count in bad.items()},
        }
        latency_ms = 0.0
        for stage, timings in self.timings_ms().items():
            p50, p95 = np.percentile(timings[-_RECENT:], (50, 95))
            values[f'{stage}_ms_p50'], values[f'{stage}_ms_p95'] = f'{p50:.1f}', f'{p95:.1f}'
            latency_ms = float(p95) if stage == 'latency' else latency_ms
        if not self._has_latency:
            values['latency_ms_p50'] = values['latency_ms_p95'] = '-'
            latency_ms = 0.0
        values.update(details)
        self.warn('clock', self._clock_problem())
        level, text = self._level(replace(activity, latency_ms=latency_ms), problem, idle_reason)
        self._publisher.publish(self._message(level, text, values))

    def _ask(self, callback: Callable[[], T], otherwise: T) -> T:
        """Answer of a callback of the constructor; `otherwise` if it raises, which is counted and logged."""
        try:
            return callback()
        except Exception as error:  # noqa: BLE001 - the report must go out, also without this part
            self._mistake(error)
            return otherwise

    def _level(self, activity: Activity, problem: str, idle_reason: str) -> tuple[bytes, str]:
        if getattr(self._node, 'finished', False) and not activity.bad:
            idle_reason = 'finished'
        level, text = (DiagnosticStatus.OK, idle_reason) if idle_reason else diagnose(activity, self._settings)
        conditions = [text for text in self._conditions.values() if text]
        if conditions:
            level, text = max(level, DiagnosticStatus.WARN), '; '.join([*conditions, text])
        return (DiagnosticStatus.ERROR, f'{problem}; {text}') if problem else (level, text)

    def _clock_problem(self) -> str:
        """Condition of a clock that takes its time from /clock, where nothing has come."""
        seconds = time.monotonic() - self._started
        simulated = self._node.get_parameter('use_sim_time').value
        if seconds < _NO_CLOCK_S or not simulated or self._node.get_clock().now().nanoseconds:
            return ''
        return (
            'use_sim_time is true, but nothing has come on /clock; start what publishes it (ros2 bag play --clock), '
            'or set use_sim_time to false'
        )

    def _message(self, level: bytes, text: str, values: Mapping[str, object]) -> DiagnosticArray:
        name, path = self._node.get_name(), self._node.get_fully_qualified_name()[1:]
        status = DiagnosticStatus(
            level=level,
            name=f'affect_perception: {path}: {TASKS.get(name, "work")}',
            message=text,
            hardware_id=self._hardware_id,
        )
        status.values = [KeyValue(key=key, value=str(value)) for key, value in values.items()]
        message = DiagnosticArray(status=[status])
        message.header.stamp = self._node.get_clock().now().to_msg()
        return message

    def _change(self, settings: DiagnosticsSettings) -> None:
        self._settings = settings
