"""`affect-perception bench faults`: kill, stop, starve, fill and corrupt each part of a running graph, one by one.

Per row: seconds until the part works again, the longest gap between two results, images without a result, the fewest
people in a result (all of them are in view all the time), and what /diagnostics said. Images come over TCP from a
server process, recorded with the results; the page, detector and viewers are processes of their own.
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
from pathlib import Path
from typing import Any

from affect_perception.bench.faults.fault_run import FaultRun
from affect_perception.bench.machine import machine, save_result
from affect_perception.msg import FaceTrackArray
from affect_perception.ros.topics import advertise
from affect_perception.runtime.devices import usable_cores

_STARVED_S = 15.0  # for which the cores are full
_LOADED = ('viewer', 'tracker restarted')  # rows in which a network or nodes are loaded: 5 s, all others 2 s


class Faults(FaultRun):
    """The faults of the table; each method causes one and returns when it is over."""

    def table(self) -> dict[str, Callable[[], float | None]]:
        """Faults by name, in the order in which they are caused."""
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
            'tracker failing': self._fail_tracker,
            'tracker restarted': self._restart_tracker,
            'affect node failing': self._fail_network,
            'page attacked': self._attack_page,
            'page stopped reading': self._stall_page,
            'recorder failing': self._fail_recorder,
            'recorder disk full': self._fill_disk,
        }

    def _detections(self) -> int:
        """Number of detections that succeeded so far; while one fails or is late the count stands still."""
        return len(self._running.graph.tracker.diagnostics.timings_ms().get('detect', ()))

    def _detector(self, number: int) -> float | None:
        detector = self._running.graph.tracker.detector
        assert detector is not None
        before = self._detections()
        os.kill(detector._analyzer.pid, number)  # type: ignore[union-attr]  # on a CPU it is a process
        return self._wait(lambda: self._detections() > before)

    def _starve(self) -> float | None:
        """Fill all cores for a while; returns the longest time without a detection."""
        busy = [subprocess.Popen([sys.executable, '-c', 'while True: pass']) for _ in range(usable_cores())]
        try:
            start = last_s = time.monotonic()
            longest_s, count = 0.0, self._detections()
            while time.monotonic() - start < _STARVED_S:
                time.sleep(0.05)
                longest_s = max(longest_s, time.monotonic() - last_s)
                if self._detections() > count:
                    count, last_s = self._detections(), time.monotonic()
            return round(longest_s, 2)
        finally:
            for process in busy:
                process.kill()
                process.wait()

    def _viewer(self, number: int) -> float | None:
        viewers = self._running.graph.viewers
        if viewers is None:
            return None
        self._wait(lambda: not viewers.started_lately)
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
        now = self._node.get_clock().now()
        self._foreign.add(now.nanoseconds)
        message.header.stamp = now.to_msg()
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

    def _fail_tracker(self) -> float | None:
        return self._fail(self._running.graph.tracker.tracker, 'step')

    def _fail_network(self) -> float | None:
        return self._fail(self._running.graph.affect.engine, 'steps')

    def _fail_recorder(self) -> float | None:
        return self._fail(self._running.recorder.writer, 'write')  # type: ignore[union-attr]  # this graph records

    def _fail(self, part: Any, method: str) -> float | None:
        """Let a method raise for a second."""

        def fail(*_: object, **__: object) -> None:
            raise RuntimeError('injected by bench faults')

        setattr(part, method, fail)
        time.sleep(1.0)
        delattr(part, method)
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

    def _stall_page(self) -> float | None:
        """Open a WebSocket and read nothing for longer than the server waits; other pages and results go on."""
        port = int(str(self._running.graph.dashboard_address).rpartition(':')[2])
        with socket.create_connection(('127.0.0.1', port), timeout=5) as page:
            page.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            page.sendall(
                f'GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
                'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n'.encode()
            )
            time.sleep(8.0)
            return self._wait(lambda: self._page_answers() and self._complete())

    def _fill_disk(self) -> float | None:
        recorder = self._running.recorder
        assert recorder is not None
        recorder.writer._has_room = lambda more: False  # type: ignore[method-assign]  # noqa: ARG005  # what a full disk answers
        return self._wait(lambda: bool(recorder.writer.stopped) and self._complete())


def bench(args: argparse.Namespace, settings: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Run all faults; prints a table, returns the JSON."""
    with tempfile.TemporaryDirectory() as folder:
        faults = Faults(args.people, Path(folder))
        rows = faults.run(settings, args.only)
        lost = faults.lost_messages()
    silent = [row.fault for row in rows if row.silent_nobody]
    late = [
        row.fault
        for row in rows
        if row.resumed_s is None or row.resumed_s > (5.0 if row.fault.startswith(_LOADED) else 2.0)
    ]
    result = {
        'rows': [row.__dict__ for row in rows],
        'late': late,
        'silent_nobody': silent,
        'recorded_lost': lost,
        'people': args.people,
        'machine': machine(),
    }
    save_result(result, args.out)
    return result
