"""Small grey image of a frame, on which optical flow and template matching of faces run."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from affect_perception.core.boxes import row_to_box
from affect_perception.core.images.crops import crop_square
from affect_perception.types import Frame

PATCH_SIDE = 20  # px; side of the grey patch by which a face is compared with itself
MIN_SIMILARITY = 0.55  # NCC of a patch with the reference from which it still shows the same face
REACQUIRE_SIMILARITY = 0.8  # the same, to re-acquire a face that was occluded
_BLANK_STD = 3  # standard deviation of the thumbnail, grey values, below which nothing can be seen


@dataclass(frozen=True, eq=False)
class FlowImage:
    """Grey image `grey` (h, w) uint8 of a frame, smaller by the whole factor `downscale`. Boxes are in frame px."""

    stamp_ns: int
    width: int  # of the frame
    height: int
    downscale: int
    grey: np.ndarray
    thumbnail: np.ndarray  # (576,) float32, see `normalized`
    blank: bool  # all black, all white or covered: shows no face, and is no scene cut either

    @classmethod
    def of(cls, frame: Frame, width: int) -> FlowImage:
        """Flow image of a frame, about `width` px wide.

        Whole factors only: averaging whole blocks is the fastest way to shrink (0.14 ms for 1280×720).
        """
        downscale = max(round(frame.width / width), 1)
        grey = cv2.cvtColor(frame.rgb, cv2.COLOR_RGB2GRAY)
        if downscale > 1:
            size = max(frame.width // downscale, 1), max(frame.height // downscale, 1)
            grey = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        thumbnail = cv2.resize(grey, (32, 18), interpolation=cv2.INTER_AREA).ravel()
        blank = float(thumbnail.std()) < _BLANK_STD
        return cls(frame.stamp_ns, frame.width, frame.height, downscale, grey, normalized(thumbnail), blank)

    def similarity(self, other: FlowImage) -> float:
        """NCC of the two whole images, in [-1, 1]; invariant to brightness and contrast."""
        return float(self.thumbnail @ other.thumbnail)

    def patch(self, row: np.ndarray) -> np.ndarray:
        """(400,) float32 grey patch of the box `row` (frame px), of zero mean and unit length (zero if flat)."""
        first: np.ndarray = self.patches(row[None])[0]
        return first

    def patches(self, rows: np.ndarray) -> np.ndarray:
        """(N, 400) float32, the `patch` of each of the boxes (N, 4)."""
        patches = [crop_square(self.grey, row_to_box(row), PATCH_SIDE) for row in rows / self.downscale]
        return normalized(np.array(patches).reshape(-1, PATCH_SIDE**2))

    def search(
        self, patch: np.ndarray, row: np.ndarray, margin: float, scales: tuple[float, ...] = (1.0,)
    ) -> tuple[float, np.ndarray]:
        """Template matching of `patch` (400,) near the box `row` (4,): the best NCC in [-1, 1] and the box (4,) there.

        Searches up to `margin` box sizes away in both directions, with the box scaled by each of `scales`. As in
        `patch_similarity`, half of the face is enough.
        """
        best, best_row = -1.0, row
        for scale in scales:
            size = row[2:].max() * scale
            side = size * (1 + 2 * margin)
            area_box = row_to_box(np.array([*row[:2], side, side]) / self.downscale)
            area = crop_square(self.grey, area_box, round(PATCH_SIDE * (1 + 2 * margin))).astype(np.float32)
            steps = area.shape[0] - PATCH_SIDE
            for (rows, columns), weight in PARTS:
                region = area[rows.start : rows.stop + steps, columns.start : columns.stop + steps]
                template = patch.reshape(PATCH_SIDE, PATCH_SIDE)[rows, columns]
                _, peak, _, at = cv2.minMaxLoc(cv2.matchTemplate(region, template, cv2.TM_CCOEFF_NORMED))
                if peak * weight > best:
                    offset = (np.array(at) - steps / 2) * size / PATCH_SIDE
                    best, best_row = peak * weight, np.concatenate([row[:2] + offset, row[2:] * scale])
        return float(best), best_row


_HALF = PATCH_SIDE // 2
# Whole and halves of a patch with the weight of their NCC: a face that is half occluded is still the same face.
PARTS = (
    ((slice(0, PATCH_SIDE), slice(0, PATCH_SIDE)), 1.0),
    ((slice(0, PATCH_SIDE), slice(0, _HALF)), 0.9),
    ((slice(0, PATCH_SIDE), slice(_HALF, PATCH_SIDE)), 0.9),
    ((slice(0, _HALF), slice(0, PATCH_SIDE)), 0.9),
    ((slice(_HALF, PATCH_SIDE), slice(0, PATCH_SIDE)), 0.9),
)


def _part_masks() -> np.ndarray:
    """(5, 400) float32: 1 for the pixels of a patch that belong to each of the PARTS."""
    masks = np.zeros((len(PARTS), PATCH_SIDE, PATCH_SIDE), np.float32)
    for mask, (part, _) in zip(masks, PARTS, strict=True):
        mask[part] = 1
    return masks.reshape(len(PARTS), -1)


_MASKS, _WEIGHTS = _part_masks(), np.array([weight for _, weight in PARTS])


def patch_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(N,) NCC in [-1, 1] of the patches in rows of a and b, (N, 400): of the whole or of the most similar half."""
    count = _MASKS.sum(axis=1)
    a_sum, b_sum, products, a_squares, b_squares = (v @ _MASKS.T for v in (a, b, a * b, a * a, b * b))  # (N, 5) each
    lengths = (a_squares - a_sum**2 / count) * (b_squares - b_sum**2 / count)
    parts = (products - a_sum * b_sum / count) / np.sqrt(np.maximum(lengths, 1e-12))
    best: np.ndarray = (_WEIGHTS * parts).max(axis=1)
    return best


def normalized(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., K) shifted to zero mean and scaled to unit length (zero if flat): their dot product is the NCC."""
    vectors = vectors - vectors.mean(axis=-1, keepdims=True, dtype=np.float32)
    length = np.sqrt((vectors * vectors).sum(axis=-1, keepdims=True))
    return np.where(length > 1e-3 * vectors.shape[-1], vectors / np.maximum(length, 1e-6), 0)
