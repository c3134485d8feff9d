"""Parity of two detectors: matched, missed and extra faces, and differences of boxes and scores."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from affect_perception.detectors.dlib.pyramid import RawDetection

BAND = 0.05  # scores this near to dlib's threshold of 0 can fall on either side of it
SAME_FACE_IOU = 0.5
DECIMALS = 6


@dataclass
class Parity:
    """Counts over all images so far; `differences` and `inside_band` are lines of text."""

    matched: int = 0
    missed: int = 0
    extra: int = 0
    ious: list[float] = field(default_factory=list)
    score_differences: list[float] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    inside_band: list[str] = field(default_factory=list)

    def add(self, image: str, reference: list[RawDetection], found: list[RawDetection]) -> None:
        """Add an image. Each reference face is matched to the free box with the highest IoU of at least 0.5."""
        free = list(found)
        for face in reference:
            best = max(free, key=lambda other: iou(face, other), default=None)
            if best is None or iou(face, best) < SAME_FACE_IOU:
                self._count('missed', image, face)
                continue
            free.remove(best)
            self.matched += 1
            self.ious.append(iou(face, best))
            self.score_differences.append(abs(face[4] - best[4]))
            if self.ious[-1] < 0.85 or self.score_differences[-1] > BAND:
                self.differences.append(f'{image}: {_text(face)} became {_text(best)}, IoU {self.ious[-1]:.2f}')
            elif face[4] <= BAND:
                self.inside_band.append(f'{image}: found {_text(face)}')
        for face in free:
            self._count('extra', image, face)

    def _count(self, kind: str, image: str, face: RawDetection) -> None:
        line = f'{image}: {kind} {_text(face)}'
        if face[4] <= BAND:
            self.inside_band.append(line)
            return
        setattr(self, kind, getattr(self, kind) + 1)
        self.differences.append(line)

    def numbers(self) -> dict:
        """Counts, IoUs and score differences for the JSON; None without a matched face."""
        return {
            'matched': self.matched,
            'missed': self.missed,
            'extra': self.extra,
            'iou_mean': round(statistics.fmean(self.ious), DECIMALS) if self.ious else None,
            'iou_min': round(min(self.ious), DECIMALS) if self.ious else None,
            'confidence_diff_max': round(max(self.score_differences), DECIMALS) if self.ious else None,
            'differences': self.differences,
            'inside_band': self.inside_band,
        }


def iou(a: RawDetection, b: RawDetection) -> float:
    """Intersection over union of two of dlib's rectangles, whose right and bottom edges are inclusive."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]) + 1, min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(one[2] - one[0] + 1) * (one[3] - one[1] + 1) for one in (a, b)]
    return width * height / (sum(areas) - width * height)


def _text(face: RawDetection) -> str:
    left, top, right, bottom, score = face
    return f'({left}, {top}, {right}, {bottom}) at {score:.3f}'
