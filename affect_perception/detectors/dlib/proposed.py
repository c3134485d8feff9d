"""dlib's CNN face detector that looks only where a face can be: propose, then confirm.

A small network (`detectors/proposals`) estimates dlib's score of every position and level; dlib's own network scores
windows around the best estimates (`search.py`), on the same pixels as a run over the whole picture (`tiles.py`), so
that scores, boxes and non-maximum suppression are dlib's. Faces too small for dlib are looked at enlarged.

In a sequence of pictures, places where nothing was found are remembered (`detectors/proposals/refused.py`), and a few
more doubtful ones are looked at with each picture instead; new faces too small for dlib are looked for in every third
picture; and one picture in many is looked at as a whole.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch

from affect_perception.detectors.dlib.cnn import DlibCnn, canvas_of
from affect_perception.detectors.dlib.enlarged import EnlargedLevel
from affect_perception.detectors.dlib.network import DetectorNetwork, Tile, to_canvas
from affect_perception.detectors.dlib.pyramid import (
    MIN_SIDE,
    STEP,
    VIEW,
    Canvas,
    RawDetection,
    at_most,
    canvas_to_image,
    detections,
    map_size,
    overlapping,
)
from affect_perception.detectors.dlib.search import SETTLED, ProposalSearch
from affect_perception.detectors.dlib.tiles import CanvasTiles
from affect_perception.detectors.dlib.windows import SIDE, window_scores
from affect_perception.detectors.proposals.canvas import LEVELS, face_scale
from affect_perception.detectors.proposals.finder import ProposalFinder, Proposals
from affect_perception.detectors.proposals.refused import RefusedPlaces
from affect_perception.runtime.free_memory import return_free_memory
from affect_perception.types import Detection

SMALLEST_PX = 36  # with enlarging, the least that the proposal network is trained for
_NOT_ENLARGED_PX = 72  # a face of this size is found without
_ENLARGED_EVERY = 3  # pictures of a sequence; a picture with the enlarged scale takes up to twice the time of another
_WINDOW_CELLS = 725  # cells of a run over the whole picture that take as long as a window
_WHOLE = 0.6  # cost of the first round of windows, relative to a run over the whole picture, from which that is better
_KNOWN = 0.0  # estimate at faces that are tracked
_MOST_ENLARGED = 24  # enlarged windows in one image; the best by estimate
_CONCENTRIC = 0.7  # of the smaller face's size; middles of one face at much different levels lie nearer
_DOUBTFUL = -1.0  # estimate from which places are looked at in turns, in a sequence
_MOST_DOUBTFUL = 32  # such places that have turns, the best by estimate
_TURNS = 1  # such places looked at in each picture
_NEAR_FACE = -1.2  # score from which a face may be beside a window, if the score rises towards there
_RISE = 0.15  # above the middle of the window; a clear face is level to 0.01

ToImage = Callable[[int, int, int, int], tuple[int, int, int, int]]


class ProposedDlibCnn(DlibCnn):
    """`FaceDetector` with dlib's detections at a fraction of the work, on the CPU.

    Parameters as of `DlibCnn`. `smallest_px`: faces from this size on are looked for (36 is the least); `finder` makes
    the proposals; `settled`: see `search.py`; `sweep`: pictures of which `detect_known` looks at one as a whole, 0: at
    none. `windows` counts the windows looked at, `whole_runs` pictures with so many proposals that one run over the
    whole was cheaper, `postponed` proposals left out.
    """

    def __init__(
        self,
        path: str = '',
        precision: str = 'auto',
        lowest_score: float = 0.0,
        width: int = 0,
        smallest_px: int = SMALLEST_PX,
        finder: ProposalFinder | None = None,
        settled: float = SETTLED,
        sweep: int = 0,
    ) -> None:
        super().__init__(path, 'cpu', precision, 0, lowest_score, width)
        self._finder = finder or ProposalFinder()
        self._enlarged = smallest_px < _NOT_ENLARGED_PX
        self._settled = settled
        self._pictures = 0  # of the sequence
        self._sweep, self._since_whole = sweep, 0  # pictures
        self._refused = RefusedPlaces()
        self.windows = self.whole_runs = self.postponed = 0

    def detect_known(self, rgb: np.ndarray, known: np.ndarray) -> list[Detection]:
        """Detect faces of one picture of a sequence as `detect`, at `known` and doubtful places; some as a whole.

        Small faces that are not known are looked for in every third picture. `known` (N, 4): boxes of tracked faces,
        rows of core.boxes.
        """
        smaller, scale = at_most(rgb, self._width)
        if min(smaller.shape[:2]) < MIN_SIDE:
            return []
        size = smaller.shape[:2]
        with self._lock, torch.inference_mode():
            enlarged = self._enlarged and self._pictures % _ENLARGED_EVERY == 0
            self._pictures += 1
            proposals = self._finder(smaller, enlarged, min(_DOUBTFUL, self._finder.threshold))
            proposals = proposals.first(int((proposals.score >= self._finder.threshold).sum()) + _MOST_DOUBTFUL)
            refused = self._refused.among(proposals, size)
            found, seen = self._confirmed(smaller, self._with_known(proposals, known / scale, size), refused, _TURNS)
            self._refused.add(proposals, seen[seen < len(proposals)])
            self._since_whole += 1
            if self._since_whole == self._sweep:
                self._since_whole = 0
                found += self._above(*self._whole(smaller))
                return_free_memory()  # 70 MB
        return detections(self._suppress(found), scale)

    def detect_raw(self, rgb: np.ndarray) -> list[RawDetection]:
        """Return dlib's (left, top, right, bottom, score) of each face, edges inclusive, best first."""
        if min(rgb.shape[:2]) < MIN_SIDE:
            return []
        with self._lock, torch.inference_mode():
            proposals = self._finder(rgb, self._enlarged)
            found, _ = self._confirmed(rgb, proposals, np.zeros(0, np.int64), 0)
        return self._suppress(found)

    def _with_known(self, proposals: Proposals, known: np.ndarray, size: tuple[int, ...]) -> Proposals:
        """Proposals and the two levels nearest to the size of each known box; a better proposal there comes first."""
        inside = np.all((known[:, :2] > 0) & (known[:, :2] < size[::-1]), axis=1) & (known[:, 2] > 0)
        x, y, side = known[inside, :3].T
        levels = np.arange(
            -LEVELS if self._enlarged else 0, len(canvas_of(*size, *self._paddings).levels), dtype=np.int64
        )
        below = np.searchsorted(face_scale(levels), side / self._loss['window'][0], side='right') - 1
        for one in (below, below + 1):
            fits = (one >= 0) & (one < len(levels))
            proposals = proposals.added(levels[one[fits]], y[fits], x[fits], _KNOWN)
        return proposals

    def _confirmed(
        self, rgb: np.ndarray, proposals: Proposals, refused: np.ndarray, turns: int
    ) -> tuple[list[RawDetection], np.ndarray]:
        """Detections above the lowest score at the proposals, and indices of proposals at which there is no face.

        Not at the `refused`; and at no more than `turns` of those below the finder's threshold.
        """
        self.postponed += proposals.left_out
        pyramid = _Pyramid(rgb, canvas_of(*rgb.shape[:2], *self._paddings), self._network)
        boxes = _boxes(proposals, self._loss['window'])
        near = overlapping(boxes, self._loss['nms_iou'], self._loss['nms_covered'])
        search = ProposalSearch(proposals.score, proposals.level, near, _concentric(boxes), self._settled)
        search.drop(refused)
        # Later rounds are short: a few windows more cost less than a run over the whole after all those before.
        left, left_enlarged = int(np.prod(map_size(pyramid.canvas)) / _WINDOW_CELLS), _MOST_ENLARGED
        spared = int((1 - _WHOLE) * left)  # for the later rounds
        found: list[RawDetection] = []
        while True:
            chosen = search.next_round(self._finder.threshold)
            if not chosen.size:
                chosen, turns = search.next_round(-np.inf)[:turns], 0
            if not chosen.size:
                return found, np.array(search.refused, np.int64)
            small = chosen[proposals.level[chosen] < 0]
            late = small[left_enlarged:]
            search.drop(late)
            self.postponed += len(late)
            chosen = chosen[~np.isin(chosen, late)]
            left_enlarged -= len(small) - len(late)
            left -= len(chosen) - len(small) + len(late)
            if left < spared:
                self.whole_runs += 1
                return found + self._above(*self._whole(rgb)), np.array(search.refused, np.int64)
            spared = 0
            self.windows += len(chosen)
            for level in np.unique(np.minimum(proposals.level[chosen], 0)).tolist():
                same = chosen[np.minimum(proposals.level[chosen], 0) == level]
                for index, faces in zip(same.tolist(), self._look(pyramid, proposals, same), strict=True):
                    search.record(index, max((face[4] for face in faces), default=-np.inf))
                    found += faces

    def _look(self, pyramid: _Pyramid, proposals: Proposals, chosen: np.ndarray) -> list[list[RawDetection]]:
        """Detections above the lowest score in a window around each of the chosen proposals, all on one canvas.

        Where the score rises towards the edge of the window, in another window around there as well.
        """
        corners = [pyramid.corner(*row) for row in zip(*(v[chosen].tolist() for v in proposals.places), strict=True)]
        canvas, tile, to_image = pyramid.of(int(proposals.level[chosen[0]]))
        scored = window_scores(corners, tile, map_size(canvas), self._network.exact)
        found = [
            self._rectangles(scores, *corner, canvas, to_image) for corner, scores in zip(corners, scored, strict=True)
        ]
        beside = [number for number, scores in enumerate(scored) if self._rises(scores)]
        if beside:
            self.windows += len(beside)
            moved = [_around_best(corners[number], scored[number]) for number in beside]
            again = window_scores(moved, tile, map_size(canvas), self._network.exact)
            for number, corner, scores in zip(beside, moved, again, strict=True):
                found[number] += self._rectangles(scores, *corner, canvas, to_image)
        return found

    def _rises(self, scores: np.ndarray) -> bool:
        """Whether a face may be beside a window of these scores, better than any inside."""
        best = scores.max()
        return bool(_NEAR_FACE < best < self._settled and best > scores[SIDE // 2, SIDE // 2] + _RISE)

    def _rectangles(
        self, scores: np.ndarray, row: int, column: int, canvas: Canvas, to_image: ToImage
    ) -> list[RawDetection]:
        """Windows of the cells above the lowest score, in image pixels; the first cell is (row, column) of the map."""
        size = map_size(canvas)
        found: list[RawDetection] = []
        for i, j in np.argwhere(scores > self._lowest_score).tolist():
            if 0 <= row + i < size[0] and 0 <= column + j < size[1]:
                rect = to_image(to_canvas(column + j), to_canvas(row + i), *self._loss['window'])
                found.append((*rect, float(scores[i, j])))
        return found


class _Pyramid:
    """Canvases on which an image is looked at: dlib's own, and one for each enlarged level (below 0)."""

    def __init__(self, rgb: np.ndarray, canvas: Canvas, network: DetectorNetwork) -> None:
        self._rgb, self.canvas, self._network = rgb, canvas, network
        self._tiles = CanvasTiles(rgb, canvas, network.mean, network.scratch)
        self._enlarged: dict[int, EnlargedLevel] = {}

    def of(self, level: int) -> tuple[Canvas, Tile, ToImage]:
        """Canvas of a level, its pixels, and the map from a window on it to image pixels."""
        if level >= 0:
            return self.canvas, self._tiles, functools.partial(canvas_to_image, self.canvas)
        if level not in self._enlarged:
            self._enlarged[level] = EnlargedLevel(self._rgb, level, self._network.mean, self.canvas.levels[0][0])
        enlarged = self._enlarged[level]
        return enlarged.canvas, enlarged.tile, enlarged.to_image

    def corner(self, level: int, y: float, x: float) -> tuple[int, int]:
        """First cell (row, column) of the window of `level` around the image point (y, x)."""
        canvas = self.of(level)[0]
        top, left, height, width = canvas.levels[max(level, 0)]
        at = y * height / self._rgb.shape[0] + top, x * width / self._rgb.shape[1] + left
        row, column = (round((value - VIEW / 2) / STEP) - SIDE // 2 for value in at)
        return row, column


def _around_best(corner: tuple[int, int], scores: np.ndarray) -> tuple[int, int]:
    """First cell of a window whose middle is the best cell of the window at `corner`."""
    row, column = divmod(int(scores.argmax()), SIDE)
    return corner[0] + row - SIDE // 2, corner[1] + column - SIDE // 2


def _boxes(proposals: Proposals, window: tuple[int, int]) -> np.ndarray:
    """Left, top, right and bottom (N, 4) of the faces that the proposals stand for, edges inclusive."""
    scale = face_scale(proposals.level)
    half = np.stack([window[0] * scale - 1, window[1] * scale - 1], 1) / 2
    centre = np.stack([proposals.x, proposals.y], 1)
    return np.concatenate([centre - half, centre + half], 1)


def _concentric(boxes: np.ndarray) -> np.ndarray:
    """Whether two boxes (left, top, right, bottom) have nearly the same middle: (N, 4) to (N, N) bool."""
    middle, size = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2] - boxes[:, 0] + 1
    apart = np.maximum(*np.abs(middle.T[:, :, None] - middle.T[:, None]))
    result: np.ndarray = apart < _CONCENTRIC * np.minimum(size[:, None], size)
    return result
