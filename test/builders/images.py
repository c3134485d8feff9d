"""Images, image files and videos for tests, and a list that collects bad inputs."""

from pathlib import Path

import cv2
import numpy as np

from affect_perception.settings import SourceSettings
from affect_perception.sources import Source, open_source


class BadInputList(list):
    """Collects the bad inputs that a source reports; `append` is the callback."""

    @property
    def kinds(self) -> list[str]:
        return [error.kind for error in self]


def opened(source, bad: list | None = None, **settings) -> Source:
    """Open a source; bad inputs go to `bad`."""
    return open_source(SourceSettings(source=str(source), **settings), [].append if bad is None else bad.append)


def plain(shade: int, width: int = 64, height: int = 48) -> np.ndarray:
    """(height, width, 3) uint8 RGB, red `shade`, green 255 - shade."""
    rgb = np.empty((height, width, 3), np.uint8)
    rgb[:] = (shade, 255 - shade, 30)
    return rgb


def jpeg(rgb: np.ndarray) -> bytes:
    """Encode an image as JPEG."""
    return cv2.imencode('.jpg', cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))[1].tobytes()


def write_image(path: Path, rgb: np.ndarray) -> None:
    """Write an image file."""
    assert cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))


def write_video(path: Path, frames: int, fps: float = 20.0, noisy: bool = False) -> None:
    """Write a video whose frame i is plain with shade 10 i; with noise it does not compress."""
    noise = np.random.default_rng(0).integers(0, 128 if noisy else 1, (48, 64, 3), np.uint8)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'MJPG'), fps, (64, 48))
    for i in range(frames):
        writer.write(cv2.cvtColor(np.uint8(plain(10 * i) | noise), cv2.COLOR_RGB2BGR))
    writer.release()
