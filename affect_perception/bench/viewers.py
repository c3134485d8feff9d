"""Viewers for `bench dashboard`, each in a process of its own, as beside a robot.

`python -m affect_perception.bench.viewers KIND ...` prints `ready`, connects and disconnects at the lines `look` and
`leave` on its stdin, and prints its counts as one JSON object when stdin ends. KIND is `clients` (WebSockets that read
all messages of a page and paint nothing), `browser` (a real Chromium with the page and its camera image) or `rviz`
(subscribes `--topics`). Viewers run at idle priority, as viewers on another computer take none of the cores; with
`--here` at ordinary priority, as on this one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import queue
import resource
import subprocess
import sys
import threading
from pathlib import Path

from affect_perception.errors import ConfigError
from affect_perception.runtime.processes.priority import use_idle_cores_only

CHROMIUM = Path(os.environ.get('CHROMIUM', '/usr/bin/chromium'))
_END_S = 20.0  # for a viewer to print its counts

# Records the paint time of each stamp: the task after the frame callback runs when that frame has been painted.
_PROBE = """() => {
  window.painted = [];
  const stage = document.getElementById('stage');
  const painted = (stamp) => window.painted.push([Number(stamp), performance.timeOrigin + performance.now()]);
  new MutationObserver(() => {
    const stamp = stage.dataset.stamp;
    requestAnimationFrame(() => {
      const after = new MessageChannel();
      after.port1.onmessage = () => painted(stamp);
      after.port2.postMessage(0);
    });
  }).observe(stage, { attributes: true, attributeFilter: ['data-stamp'] });
}"""


class Viewer:
    """A viewer in another process; a context manager that fills `result` at its end."""

    def __init__(self, kind: str, *arguments: str) -> None:
        self._command = [sys.executable, '-m', __name__, kind, *arguments]
        self.result: dict = {}

    def __enter__(self) -> Viewer:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        if self._process.stdout is None or self._process.stdout.readline().strip() != 'ready':
            self._process.wait(_END_S)
            raise ConfigError(f'a viewer of the benchmark did not start: {" ".join(self._command[2:])}')
        return self

    def command(self, word: str) -> None:
        """Send `look` (connect) or `leave` (disconnect)."""
        print(word, file=self._process.stdin, flush=True)

    def __exit__(self, *_: object) -> None:
        try:
            self.result = json.loads(self._process.communicate(timeout=_END_S)[0] or '{}')
        except (subprocess.TimeoutExpired, ValueError):
            self._process.kill()


def _listen() -> queue.Queue[str | None]:
    """Queue of the commands on stdin, then None; prints that this process is ready."""
    words: queue.Queue[str | None] = queue.Queue()

    def read_commands() -> None:
        for line in sys.stdin:
            words.put(line.strip())
        words.put(None)

    threading.Thread(target=read_commands, daemon=True).start()
    print('ready', flush=True)
    return words


def _next(words: queue.Queue[str | None]) -> str | None:
    """The next command, '' if there is none yet."""
    try:
        return words.get_nowait()
    except queue.Empty:
        return ''


async def _clients(address: str, count: int, pictures: bool) -> dict:
    import aiohttp

    seen = {'states': 0, 'pictures': 0, 'bytes': 0, 'ended_by_server': 0}

    async def read(session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(f'{address}/ws', max_msg_size=0) as page:
            await page.send_json({'pause': False, 'pictures': pictures})
            async for message in page:
                seen['states' if message.type == aiohttp.WSMsgType.TEXT else 'pictures'] += 1
                seen['bytes'] += len(message.data)
        seen['ended_by_server'] += 1

    readers: list[asyncio.Future] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        words = _listen()
        while (word := _next(words)) is not None:
            if word == 'look':
                readers = [asyncio.ensure_future(read(session)) for _ in range(count)]
            elif word == 'leave':
                for reader in readers:
                    reader.cancel()
                await asyncio.gather(*readers, return_exceptions=True)
            await asyncio.sleep(0.05)
    return seen


def _browser(address: str) -> dict:
    from playwright.sync_api import sync_playwright

    painted: list[list[float]] = []
    with sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=str(CHROMIUM), args=['--no-sandbox'])
        page = chromium.new_page(viewport={'width': 1280, 'height': 900})
        words = _listen()
        while (word := _next(words)) is not None:
            if word == 'look':
                page.goto(address)
                page.keyboard.press('c')
                page.evaluate(_PROBE)
            elif word == 'leave':
                painted += page.evaluate('window.painted')
                page.goto('about:blank')
            page.wait_for_timeout(50)
        painted += page.evaluate('window.painted ?? []')
        chromium.close()
    return {'painted': painted}


def _rviz(topics: list[str]) -> dict:
    import rclpy
    from rclpy.node import Node
    from rclpy.subscription import Subscription
    from sensor_msgs.msg import CompressedImage, Image
    from visualization_msgs.msg import MarkerArray

    from affect_perception.ros import qos

    rclpy.init(args=[])
    node = Node('bench_rviz')
    inputs = {
        'markers': (MarkerArray, 'face_markers', qos.RESULTS),
        'overlay': (Image, 'overlay', qos.RELIABLE_IMAGES),
        'jpeg': (CompressedImage, 'overlay/compressed', qos.RELIABLE_IMAGES),
    }
    seen = dict.fromkeys(topics, 0)

    def subscribe(what: str) -> Subscription:
        def count(_: bytes) -> None:
            seen[what] += 1

        # raw: RViz, in C++, unpacks an image at no such cost as Python
        return node.create_subscription(*inputs[what][:2], count, inputs[what][2], raw=True)

    subscriptions = []
    words = _listen()
    while (word := _next(words)) is not None:
        if word == 'look':
            subscriptions = [subscribe(what) for what in topics]
        elif word == 'leave':
            for subscription in subscriptions:
                node.destroy_subscription(subscription)
        rclpy.spin_once(node, timeout_sec=0.05)
    return seen


def _cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def main(argv: list[str] | None = None) -> int:
    """Run a viewer until stdin ends; returns the exit status."""
    parser = argparse.ArgumentParser(description='viewer of the benchmark of the dashboard')
    parser.add_argument('kind', choices=('clients', 'browser', 'rviz'))
    parser.add_argument('--address', default='')
    parser.add_argument('--count', type=int, default=1)
    parser.add_argument('--pictures', action='store_true')
    parser.add_argument('--topics', nargs='+', default=['markers', 'overlay'], choices=('markers', 'overlay', 'jpeg'))
    parser.add_argument('--here', action='store_true')
    args = parser.parse_args(argv)
    if not args.here:
        use_idle_cores_only()
    if args.kind == 'clients':
        result = asyncio.run(_clients(args.address, args.count, args.pictures))
    else:
        result = _browser(args.address) if args.kind == 'browser' else _rviz(args.topics)
    print(json.dumps({**result, 'cpu_s': round(_cpu_s(), 2)}), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main())
