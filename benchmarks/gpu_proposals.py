"""dlib's CNN on a GPU on the windows of proposals alone, against the whole picture; a stage of gpu_stages.py.

All on one stream: the picture is uploaded once, canvases are drawn, proposals selected and their windows scored on the
device; the host learns the number of windows in between, and the scores at the end.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from gpu_networks import Row, median_ms
from torch import Tensor

SIZE = (720, 1280)


def proposals(args: argparse.Namespace) -> Iterator[Row]:
    """Time of both ways and of their parts at 1280×720 with 0 and 8 people, and the faces that each finds."""
    from affect_perception.detectors.dlib.cnn import DlibCnn
    from affect_perception.errors import ConfigError
    from affect_perception.sources.scene.scene import Scene

    try:
        whole = DlibCnn(args.detector, args.device, 'fp32')
    except ConfigError as error:
        yield {'skipped': str(error)}
        return
    ways = Windows(whole, args.device)
    for people in (0, 8):
        scene = Scene(*SIZE[::-1], people=people) if people else None
        blank = np.full((*SIZE, 3), 110, np.uint8)
        for index in (0, 45, 90):
            rgb = np.ascontiguousarray(scene.frame(index).rgb) if scene else blank
            exact, found = whole.detect_raw(rgb), ways.detect_raw(rgb)
            row: Row = {'people': people, 'whole': len(exact), 'windows': len(ways.places(rgb)[0])}
            best = [max((score for *box, score in found if _iou(box, one[:4]) > 0.5), default=None) for one in exact]
            row['found'] = sum(score is not None for score in best)
            gaps = [abs(score - one[4]) for score, one in zip(best, exact, strict=True) if score is not None]
            row['max_difference_of_scores'] = round(max(gaps, default=0.0), 6)
            yield row | {
                'whole_ms': round(median_ms(partial(whole.detect_raw, rgb), args.device), 3),
                'proposals_ms': round(median_ms(partial(ways.detect_raw, rgb), args.device), 3),
                'network_ms': round(median_ms(partial(ways.estimate, ways.uploaded(rgb)), args.device), 3),
            }


class Windows:
    """Detection by proposals on a device, with the network of a `DlibCnn` there."""

    def __init__(self, whole: object, device: str) -> None:
        from affect_perception.detectors.dlib.cnn import DlibCnn, canvas_of
        from affect_perception.detectors.proposals.canvas import proposal_canvas
        from affect_perception.detectors.proposals.weights import load
        from affect_perception.training.proposals.scorer import area_matrix

        assert isinstance(whole, DlibCnn)
        self._whole, self._device = whole, device
        self._canvas = canvas_of(*SIZE, *whole._paddings)
        self._layout = proposal_canvas(*SIZE, False)
        self._network = load().folded().to(device)
        before, self._shrinking = SIZE, []
        for scale in self._layout.scales:
            after = scale.height, scale.width
            pair = [torch.from_numpy(area_matrix(*axis)).to(device) for axis in zip(before, after, strict=True)]
            self._shrinking.append(pair)
            before = after
        self._corners = self._nearest().to(device)

    def _nearest(self) -> Tensor:
        """First cell (row, column) of the window of each output, (2, LEVELS, h, w); −999 where there is none."""
        from affect_perception.detectors.dlib.pyramid import map_size
        from affect_perception.detectors.dlib.windows import SIDE
        from affect_perception.training.proposals.targets import target_cells

        size = map_size(self._canvas)
        cells = torch.from_numpy(target_cells(self._canvas, self._layout, size))
        corners = torch.stack([cells // size[1], cells % size[1]]) - SIDE // 2
        return corners.masked_fill(cells < 0, -999)

    def uploaded(self, rgb: np.ndarray) -> Tensor:
        """Picture (1, 3, H, W) float32 on the device."""
        return torch.tensor(rgb).to(self._device).permute(2, 0, 1)[None].float()

    @torch.inference_mode()
    def estimate(self, image: Tensor) -> Tensor:
        """Estimated scores (LEVELS, h, w) of (1, 3, H, W) on the device."""
        drawn = torch.full((1, 3, self._layout.height, self._layout.width), 128.0, device=image.device)
        source = image
        for scale, (rows, columns) in zip(self._layout.scales, self._shrinking, strict=True):
            source = (rows @ source @ columns.T).round_()
            drawn[:, :, scale.top : scale.top + scale.height, scale.left : scale.left + scale.width] = source
        return self._network(drawn)[0]

    @torch.inference_mode()
    def places(self, rgb: np.ndarray) -> tuple[list[list[int]], Tensor]:
        """First cells (row, column) of the windows to look at, and the uploaded picture."""
        from affect_perception.detectors.proposals.finder import THRESHOLD

        image = self.uploaded(rgb)
        estimate = self.estimate(image)
        highest = F.max_pool3d(estimate[None, None], 3, 1, 1)[0, 0]
        chosen = (estimate >= THRESHOLD) & (estimate >= highest) & (self._corners[0] > -999)
        return self._corners[:, chosen].T.tolist(), image

    @torch.inference_mode()
    def detect_raw(self, rgb: np.ndarray) -> list[tuple[float, ...]]:
        """dlib's detections in the windows."""
        from affect_perception.detectors.dlib.network import REACH
        from affect_perception.detectors.dlib.pyramid import STEP, map_size
        from affect_perception.detectors.dlib.windows import _PADDINGS, PIXELS, SIDE, _clear_outside

        corners, image = self.places(rgb)
        size = map_size(self._canvas)
        scores = np.full(size, -9.0, np.float32)
        if corners:
            edge = STEP * (REACH + SIDE) + PIXELS
            tiled = F.pad(self._whole._network._tiled(image, self._canvas), (edge,) * 4)
            at = [(STEP * (row - REACH) + edge, STEP * (column - REACH) + edge) for row, column in corners]
            x = torch.cat([tiled[:, :, top : top + PIXELS, left : left + PIXELS] for top, left in at])
            x = x.contiguous(memory_format=torch.channels_last)
            for weight, bias, stride, _ in self._whole._network.exact[:3]:
                x = F.conv2d(x, weight, bias, stride).relu_()
            reach = REACH
            for (weight, bias, _, _), padding in zip(self._whole._network.exact[3:], _PADDINGS, strict=True):
                for (row, column), one in zip(corners, x, strict=True):
                    _clear_outside(one, row - reach, column - reach, size)
                x = F.conv2d(x, weight, bias)
                reach -= padding
                x = x.relu_() if reach else x
            for (row, column), window in zip(corners, x[:, 0].cpu().numpy(), strict=True):
                top, left = max(row, 0), max(column, 0)
                inside = window[top - row : size[0] - row, left - column : size[1] - column]
                into = scores[top : top + inside.shape[0], left : left + inside.shape[1]]
                np.maximum(into, inside, out=into)
        return list(self._whole._suppress(self._whole._above(scores, self._canvas)))


def _iou(a: list[float], b: tuple[float, ...]) -> float:
    left, top, right, bottom = (f(pair) for f, pair in zip((max, max, min, min), zip(a, b, strict=True), strict=True))
    inner = max(right - left + 1, 0) * max(bottom - top + 1, 0)
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (a, b)]
    return inner / (sum(areas) - inner)
