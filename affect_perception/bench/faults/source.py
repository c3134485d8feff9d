"""Image server for `bench faults`, a process of its own: JPEGs of the scene over TCP. SIGUSR1 spoils a second of them.

Run as `python -m affect_perception.bench.faults.source PORT PEOPLE CACHE`; prints `ready` when it listens.
"""

from __future__ import annotations

import signal
import socket
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import steady_script

FPS = 15.0
_SECONDS = 10
_SIZE = 640, 480


def main(argv: list[str]) -> None:
    """Render the scene, then serve one client after the other until killed."""
    port, people = int(argv[0]), int(argv[1])
    images = _images(people, Path(argv[2]))
    images += images[-2:0:-1]  # back again, so that no face jumps
    spoilt_until = 0.0

    def spoil(*_: object) -> None:
        nonlocal spoilt_until
        spoilt_until = time.monotonic() + 1.0

    signal.signal(signal.SIGUSR1, spoil)
    listener = socket.create_server(('127.0.0.1', port))
    sys.stdout.write('ready\n')
    sys.stdout.flush()
    index = 0
    while True:
        client, _ = listener.accept()
        try:
            while True:
                image = images[index % len(images)]
                index += 1
                spoilt = time.monotonic() < spoilt_until
                client.sendall(image[: len(image) // 2] + b'\xff\xd9' if spoilt else image)
                time.sleep(1 / FPS)
        except OSError:
            client.close()


def _images(people: int, cache: Path) -> list[bytes]:
    """JPEGs of the scene, rendered once: a server that is started again is ready at once."""
    if not cache.is_file():
        script = steady_script(people, _SIZE[0] / _SIZE[1], seed=1)  # all are in view all the time
        scene = Scene(*_SIZE, FPS, people=people, seed=1, script=script)
        frames = [scene.frame(i).rgb[..., ::-1] for i in range(int(_SECONDS * FPS))]
        np.savez(cache, *[cv2.imencode('.jpg', frame)[1] for frame in frames])
    with np.load(cache) as stored:
        return [stored[name].tobytes() for name in stored.files]


if __name__ == '__main__':
    main(sys.argv[1:])
