"""A graph under faults: the image server, the results, the words of /diagnostics, and a row of the table per fault."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from affect_perception.bench.faults.source import FPS
from affect_perception.graph.run import RunningGraph, with_dashboard
from affect_perception.nodes.recorder_node import Recording
from affect_perception.ros.executors import Spinner
from affect_perception.ros.topics import subscribe
from affect_perception.sources.bags.reader import BagReader
from affect_perception.types import AffectFrame

_LIMIT_S = 60.0  # of a row
_QUIET_S = 2.0  # of undisturbed running before each row
_SAID_S = 2.0  # from a result with nobody to diagnostics that say why
_TRACKER, _NOT_LOOKED = 'face_tracker_node', ('no detection', 'bad inputs')
_SERVER = 'affect_perception.bench.faults.source'


@dataclass(frozen=True)
class Row:
    """Outcome of one fault. `resumed_s` is None where the part did not come back; `said` are words of diagnostics.

    `lost` counts images without a result, `silent_nobody` results with nobody while the tracker did not say that the
    detector has not looked.
    """

    fault: str
    resumed_s: float | None
    longest_gap_s: float
    lost: int
    silent_nobody: int
    fewest_people: int
    said: tuple[str, ...]


class FaultRun:
    """A graph in which `people` are in view, its results and what it says, while `table` causes faults."""

    def __init__(self, people: int, folder: Path) -> None:
        self.people, self._folder = people, folder
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self._port = free.getsockname()[1]
        self._results: list[tuple[float, int]] = []  # (time of arrival, people)
        self._foreign: set[int] = set()  # stamps of the messages of this benchmark
        self._said: list[tuple[float, str]] = []  # (time, text) of statuses that are not OK
        self._server = self._start_server()

    def _start_server(self) -> subprocess.Popen[str]:
        command = [sys.executable, '-m', _SERVER, str(self._port), str(self.people), str(self._folder / 'images.npz')]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        server.stdout.readline()
        return server

    def note(self, affect: AffectFrame) -> None:
        """Take a result of the graph."""
        if affect.stamp_ns not in self._foreign:
            self._results.append((time.monotonic(), len(affect.faces)))

    def _note_status(self, msg: DiagnosticArray) -> None:
        for status in msg.status:
            values = ', '.join(f'{v.key[11:]} {v.value}' for v in status.values if v.key.startswith('bad_inputs_'))
            if status.level != DiagnosticStatus.OK or values:
                name = status.name.split(': ')[1]
                self._said.append((time.monotonic(), f'{name}: {status.message}' + f' ({values})' * bool(values)))

    def run(self, settings: dict[str, dict[str, Any]], only: list[str]) -> list[Row]:
        """Run the graph with all faults, or those of the names `only`."""
        address = f'tcp://127.0.0.1:{self._port}'
        record = Recording(self._folder / 'bag')
        try:
            with RunningGraph(address, with_dashboard(settings), on_affect=self.note, record=record) as running:
                self._running, self._node = running, Node('faults')
                subscribe(self._node, DiagnosticArray, '/diagnostics', self._note_status)
                spinner = Spinner([self._node])
                try:
                    self._wait(self._complete, _LIMIT_S)
                    return [self._row(name, fault) for name, fault in self.table().items() if not only or name in only]
                finally:
                    spinner.close()
                    self._node.destroy_node()
        finally:
            self._server.kill()

    def table(self) -> dict[str, Callable[[], float | None]]:
        """Faults by name; each causes one, and returns after how many seconds it was over (None: never)."""
        raise NotImplementedError

    def _row(self, name: str, fault: Callable[[], float | None]) -> Row:
        time.sleep(_QUIET_S)
        self._wait(self._complete, _LIMIT_S)
        start = time.monotonic()
        resumed_s = fault()
        time.sleep(1.5)  # diagnostics are a second late
        end = time.monotonic()
        results = [(at, people) for at, people in self._results if at >= start - 0.5]
        gaps = [b - a for (a, _), (b, _) in pairwise(results)]
        said = [(at, text) for at, text in self._said if at >= start]
        excuses = [at for at, text in said if text.startswith(_TRACKER) and any(word in text for word in _NOT_LOOKED)]
        row = Row(
            name,
            resumed_s,
            round(max(gaps, default=end - start), 2),
            max(round((end - start + 0.5) * FPS) - len(results), 0),
            sum(not people and not any(abs(at - other) < _SAID_S for other in excuses) for at, people in results),
            min((people for _, people in results), default=0),
            tuple(dict.fromkeys(text for _, text in said)),
        )
        print(line(row), flush=True)
        return row

    def _wait(self, true: Callable[[], bool], limit_s: float = _LIMIT_S) -> float | None:
        """Seconds until `true()`, None if it is not within the limit."""
        start = time.monotonic()
        while time.monotonic() - start < limit_s:
            with contextlib.suppress(OSError):
                if true():
                    return round(time.monotonic() - start, 2)
            time.sleep(0.05)
        return None

    def _complete(self) -> bool:
        """Whether all people are in a result of the last half second."""
        return (
            bool(self._results)
            and time.monotonic() - self._results[-1][0] < 0.5
            and (self._results[-1][1] >= self.people)
        )

    def lost_messages(self) -> int:
        """Messages that the recorder has written and the bag does not hold."""
        recorder = self._running.recorder
        assert recorder is not None
        reader = BagReader(self._folder / 'bag', lambda _: None)
        return recorder.writer.written.total() - reader.counts.total()


def line(row: Row) -> str:
    """Row of the table."""
    resumed = '    never' if row.resumed_s is None else f'{row.resumed_s:7.1f} s'
    said = '; '.join(row.said)[:120] or '-'
    return (
        f'{row.fault:<22}{resumed}   gap {row.longest_gap_s:5.1f} s   lost {row.lost:3d}   '
        f'people {row.fewest_people:2d}   {said}'
    )
