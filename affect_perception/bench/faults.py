"""`affect-perception bench faults`: kill, stop, starve, fill and corrupt each part of a running graph, one by one.

Per row: seconds until the part works again, the longest gap between two results, the fewest people in a result (all of
them are in view all the time), and what /diagnostics said. Images come over TCP from a server process, recorded with
the results; the page, detector and viewers are processes of their own.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.node import Node

from affect_perception.bench.machine import machine, save_result
from affect_perception.graph.run import RunningGraph
from affect_perception.msg import FaceTrackArray
from affect_perception.nodes.recorder_node import Recording
from affect_perception.ros.executors import Spinner
from affect_perception.ros.topics import advertise, subscribe
from affect_perception.runtime.devices import usable_cores
from affect_perception.sources.bags.reader import BagReader
from affect_perception.types import AffectFrame

_LIMIT_S = 60.0  # of a row
_QUIET_S = 4.0  # of undisturbed running before each row
_LOADED = ('detector', 'viewer')  # parts that load a network or nodes when they start again: 5 s, all others 2 s
_SERVER = 'affect_perception.bench.fault_source'


@dataclass(frozen=True)
class Row:
    """Outcome of one fault. `resumed_s` is None where the part did not come back; `said` are words of diagnostics."""

    fault: str
    resumed_s: float | None
    longest_gap_s: float
    fewest_people: int
    said: tuple[str, ...]


class Faults:
    """Faults of a graph in which `people` are in view; each method causes one and returns when it is over."""

    def __init__(self, people: int, folder: Path) -> None:
        self.people, self._folder = people, folder
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self._port = free.getsockname()[1]
        self._results: list[tuple[float, int]] = []  # (time of arrival, people)
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
            with RunningGraph(address, settings, on_affect=self.note, record=record) as running:
                self._running, self._node = running, Node('faults')
                subscribe(self._node, DiagnosticArray, '/diagnostics', self._note_status)
                spinner = Spinner([self._node])
                try:
                    self._wait(self._complete, _LIMIT_S)
                    return [self._row(name, fault) for name, fault in self._table().items() if not only or name in only]
                finally:
                    spinner.close()
                    self._node.destroy_node()
        finally:
            self._server.kill()

    def _table(self) -> dict[str, Callable[[], float | None]]:
        return {
            'detector killed': lambda: self._detector(signal.SIGKILL),
            'detector stopped': lambda: self._detector(signal.SIGSTOP),
            'detector starved': self._starve,
            'viewer killed': lambda: self._viewer(signal.SIGKILL),
            'viewer stopped': lambda: self._viewer(signal.SIGSTOP),
            'source corrupt': self._corrupt_source,
            'source paused': self._pause_source,
            'source killed': self._kill_source,
            'tracker corrupt': self._corrupt_tracks,
            'tracker restarted': self._restart_tracker,
            'affect node failing': self._fail_network,
            'page attacked': self._attack_page,
            'recorder disk full': self._fill_disk,
        }

    def _row(self, name: str, fault: Callable[[], float | None]) -> Row:
        time.sleep(_QUIET_S)
        self._wait(self._complete, _LIMIT_S)
        start = time.monotonic()
        resumed_s = fault()
        time.sleep(1.5)  # diagnostics are a second late
        times = [at for at, _ in self._results if at >= start - 0.5]
        gaps = [b - a for a, b in pairwise(times)]
        fewest = min((people for at, people in self._results if at >= start), default=0)
        said = tuple(dict.fromkeys(text for at, text in self._said if at >= start))
        row = Row(name, resumed_s, max(gaps, default=time.monotonic() - start), fewest, said)
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

    # Faults

    def _detections(self) -> int:
        """Number of detections that succeeded so far; while one fails or is late the count stands still."""
        return len(self._running.graph.tracker.diagnostics.timings_ms().get('detect', ()))

    def _detector(self, number: int) -> float | None:
        detector = self._running.graph.tracker.detector
        assert detector is not None
        before = self._detections()
        os.kill(detector._analyzer.pid, number)  # type: ignore[union-attr]  # on a CPU it is a process
        return self._wait(lambda: self._detections() > before + 1)

    def _starve(self) -> float | None:
        busy = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(usable_cores())]
        try:
            time.sleep(2.0)
            before = self._detections()
            return self._wait(lambda: self._detections() > before + 1)
        finally:
            for process in busy:
                process.kill()
                process.wait()

    def _viewer(self, number: int) -> float | None:
        viewers = self._running.graph.viewers
        if viewers is None:
            return None
        before = viewers.restarts
        os.kill(viewers.pid, number)
        return self._wait(lambda: viewers.restarts > before and self._page_answers())

    def _page_answers(self) -> bool:
        with urllib.request.urlopen(f'{self._running.graph.dashboard_address}/', timeout=1.0) as answer:
            return bool(answer.status == 200)

    def _corrupt_source(self) -> float | None:
        self._server.send_signal(signal.SIGUSR1)
        time.sleep(1.0)
        return self._wait(self._complete)

    def _pause_source(self) -> float | None:
        self._server.send_signal(signal.SIGSTOP)
        time.sleep(6.0)
        self._server.send_signal(signal.SIGCONT)
        return self._wait(self._complete)

    def _kill_source(self) -> float | None:
        self._server.kill()
        self._server.wait()
        self._server = self._start_server()
        return self._wait(self._complete)

    def _corrupt_tracks(self) -> float | None:
        message = FaceTrackArray(image_width=1, image_height=1)
        message.header.stamp = self._node.get_clock().now().to_msg()
        publisher = advertise(self._node, FaceTrackArray, 'face_tracks')
        self._wait(lambda: publisher.get_subscription_count() > 0)
        for _ in range(20):
            publisher.publish(message)
        self._node.destroy_publisher(publisher)
        return self._wait(self._complete)

    def _restart_tracker(self) -> float | None:
        tracker = self._running.graph.tracker
        for change in (tracker.trigger_deactivate, tracker.trigger_cleanup, tracker.trigger_configure):
            change()
        tracker.trigger_activate()
        return self._wait(self._complete)

    def _fail_network(self) -> float | None:
        engine = self._running.graph.affect.engine
        assert engine is not None
        steps = engine.steps

        def fail(*_: object) -> Any:
            raise RuntimeError('injected by bench faults')

        engine.steps = fail  # type: ignore[method-assign, assignment]
        time.sleep(1.0)
        engine.steps = steps  # type: ignore[method-assign]
        return self._wait(self._complete)

    def _attack_page(self) -> float | None:
        port = int(str(self._running.graph.dashboard_address).rpartition(':')[2])
        silent = [socket.create_connection(('127.0.0.1', port), timeout=5) for _ in range(10)]
        for connection in silent:
            with contextlib.suppress(OSError):
                connection.sendall(b'GET /\xff\xfe HTTP/9.9\r\nHost: \xff')
        try:
            return self._wait(lambda: self._page_answers() and self._complete())
        finally:
            for connection in silent:
                connection.close()

    def _fill_disk(self) -> float | None:
        recorder = self._running.recorder
        assert recorder is not None
        recorder.writer._has_room = lambda more: False  # type: ignore[method-assign]  # noqa: ARG005  # what a full disk answers
        return self._wait(lambda: bool(recorder.writer.stopped) and self._complete())

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
    return f'{row.fault:<20}{resumed}   gap {row.longest_gap_s:5.1f} s   people {row.fewest_people:2d}   {said}'


def bench(args: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Run all faults; prints a table, returns the JSON."""
    with tempfile.TemporaryDirectory() as folder:
        faults = Faults(args.people, Path(folder))
        rows = faults.run(settings, args.only)
        lost = faults.lost_messages()
    late = [
        row.fault
        for row in rows
        if row.resumed_s is None or row.resumed_s > (5.0 if row.fault.startswith(_LOADED) else 2.0)
    ]
    result = {
        'rows': [row.__dict__ for row in rows],
        'late': late,
        'recorded_lost': lost,
        'people': args.people,
        'machine': machine(),
    }
    save_result(result, args.out)
    return result
