"""dlib's CNN face detector that looks only where a face can be: propose, then confirm.

A small network (`detectors/proposals`) estimates dlib's score of every position; dlib's own network scores the few
positions where the estimate is not low, on the same pixels as a run over the whole picture (`tiles.py`), so that
scores, boxes and non-maximum suppression are dlib's. Positions of faces too small for dlib are looked at enlarged.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from affect_perception.detectors.dlib.cells import cells_near
from affect_perception.detectors.dlib.cnn import DlibCnn, canvas_of
from affect_perception.detectors.dlib.network import to_canvas
from affect_perception.detectors.dlib.pyramid import MIN_SIDE, STEP, VIEW, Canvas, RawDetection, canvas_to_image
from affect_perception.detectors.dlib.tiles import CanvasTiles
from affect_perception.detectors.dlib.windows import Tile, Window, cost, window_scores, windows_for
from affect_perception.detectors.proposals.canvas import LEVELS, Scale
from affect_perception.detectors.proposals.finder import ProposalFinder, Proposals

SMALLEST_PX = 72  # a face of this size is found without enlarging
_WHOLE = 0.6  # cost of windows, relative to a run over the whole picture, from which that run is better
_MOST_ENLARGED = 24  # enlarged windows in one run; the best by estimate


class ProposedDlibCnn(DlibCnn):
    """`FaceDetector` with dlib's detections at a fraction of the work, on the CPU.

    Parameters as of `DlibCnn`. `smallest_px`: faces from this size on are looked for (36 is the least); `finder` makes
    the proposals. `whole_runs` counts pictures with so many of them that one run over the whole was cheaper,
    `postponed` the enlarged windows left out.
    """

    def __init__(
        self,
        path: str = '',
        precision: str = 'auto',
        lowest_score: float = 0.0,
        width: int = 0,
        smallest_px: int = 36,
        finder: ProposalFinder | None = None,
    ) -> None:
        super().__init__(path, 'cpu', precision, 0, lowest_score, width)
        self._finder = finder or ProposalFinder()
        self._enlarged = smallest_px < SMALLEST_PX
        self.whole_runs = self.postponed = 0

    def detect_raw(self, rgb: np.ndarray) -> list[RawDetection]:
        """Return dlib's (left, top, right, bottom, score) of each face, edges inclusive, best first."""
        if min(rgb.shape[:2]) < MIN_SIDE:
            return []
        with self._lock, torch.inference_mode():
            proposals = self._finder(rgb, self._enlarged)
            canvas = canvas_of(*rgb.shape[:2], *self._paddings)
            windows = windows_for(_mask(proposals, canvas))
            whole = cost(canvas.height // STEP, canvas.width // STEP)
            if sum(cost(*window[2:]) for window in windows) > _WHOLE * whole:
                self.whole_runs += 1
                found = self._above(*self._whole(rgb))
            else:
                found = self._confirmed(rgb, canvas, windows)
            if self._enlarged:
                found += self._confirmed_enlarged(rgb, proposals)
        return self._suppress(found)

    def _confirmed(self, rgb: np.ndarray, canvas: Canvas, windows: list[Window]) -> list[RawDetection]:
        tile = CanvasTiles(rgb, canvas, self._network.mean)
        found: list[RawDetection] = []
        for window in windows:
            for row, column, score in self._cells(window, tile, _map_size(canvas)):
                rect = canvas_to_image(canvas, to_canvas(column), to_canvas(row), *self._loss['window'])
                found.append((*rect, score))
        return found

    def _cells(self, window: Window, tile: Tile, size: tuple[int, int]) -> list[tuple[int, int, float]]:
        """Cells of a window (row, column, score) above the lowest score."""
        scores = window_scores(window, tile, size, self._network.exact)
        rows, columns = np.nonzero(scores > self._lowest_score)
        return [
            (window[0] + row, window[1] + column, float(scores[row, column]))
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
            if 0 <= window[0] + row < size[0] and 0 <= window[1] + column < size[1]
        ]

    def _confirmed_enlarged(self, rgb: np.ndarray, proposals: Proposals) -> list[RawDetection]:
        scale = proposals.canvas.scales[0]
        found: list[RawDetection] = []
        left_over = _MOST_ENLARGED
        for channel in range(LEVELS):
            level = EnlargedLevel(rgb, 2 / 1.2**channel, self._network.mean, self._paddings[1])
            chosen = np.flatnonzero((proposals.scale == 0) & (proposals.channel == channel))
            windows = windows_for(_marked(proposals, chosen, scale, level.canvas, 0))
            self.postponed += max(len(windows) - left_over, 0)
            for window in windows[: max(left_over, 0)]:
                for row, column, score in self._cells(window, level.tile, _map_size(level.canvas)):
                    found.append((*level.to_image(to_canvas(column), to_canvas(row), *self._loss['window']), score))
            left_over -= len(windows)
        return found


class EnlargedLevel:
    """The image enlarged by `factor`, computed where asked for; laid out like a canvas with this level alone."""

    def __init__(self, rgb: np.ndarray, factor: float, mean: np.ndarray, outer_padding: int) -> None:
        height, width = round(rgb.shape[0] * factor), round(rgb.shape[1] * factor)
        self._rgb, self._factor, self._edge = rgb, factor, outer_padding
        self._mean = np.asarray(mean, np.float32)
        self.canvas = Canvas(
            height + 2 * outer_padding, width + 2 * outer_padding, ((outer_padding, outer_padding, height, width),)
        )

    def tile(self, top: int, left: int, height: int, width: int) -> torch.Tensor:
        """Pixels of a rectangle, bilinear: (1, 3, height, width); 0 outside the image."""
        step = 1 / self._factor
        at = [(first - self._edge + 0.5) * step - 0.5 for first in (left, top)]
        matrix = np.array([[step, 0, at[0]], [0, step, at[1]]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpAffine(
            self._rgb,
            matrix,
            (width, height),
            flags=flags,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=self._mean.tolist(),
        )
        return ((torch.from_numpy(pixels) - torch.from_numpy(self._mean)) / 256).permute(2, 0, 1)[None]

    def to_image(self, x: int, y: int, width: int, height: int) -> tuple[int, int, int, int]:
        """Map a window of `width` × `height` around (x, y) to a rectangle in image pixels, edges inclusive."""
        half = (width - 1) / 2, (height - 1) / 2
        centre = x - self._edge, y - self._edge
        edges = [centre[0] - half[0], centre[1] - half[1], centre[0] + half[0], centre[1] + half[1]]
        left, top, right, bottom = ((edge + 0.5) / self._factor - 0.5 for edge in edges)
        return round(left), round(top), round(right), round(bottom)


def _map_size(canvas: Canvas) -> tuple[int, int]:
    """Rows and columns of dlib's score map of a canvas."""
    return (canvas.height - VIEW) // STEP + 1, (canvas.width - VIEW) // STEP + 1


def _mask(proposals: Proposals, canvas: Canvas) -> np.ndarray:
    """Cells of dlib's score map that the proposals ask for, of the levels of the image itself."""
    mask = np.zeros(_map_size(canvas), bool)
    for number, scale in enumerate(proposals.canvas.scales):
        for channel in range(LEVELS):
            level = scale.first_level + channel
            if 0 <= level < len(canvas.levels):
                chosen = np.flatnonzero((proposals.scale == number) & (proposals.channel == channel))
                mask |= _marked(proposals, chosen, scale, canvas, level)
    return mask


def _marked(proposals: Proposals, chosen: np.ndarray, scale: Scale, canvas: Canvas, level: int) -> np.ndarray:
    mask = np.zeros(_map_size(canvas), bool)
    rows, columns = cells_near(scale, canvas, level, proposals.row[chosen], proposals.column[chosen])
    for y in (-1, 0, 1):
        for x in (-1, 0, 1):
            mask[(rows + y).clip(0, mask.shape[0] - 1), (columns + x).clip(0, mask.shape[1] - 1)] = True
    return mask
