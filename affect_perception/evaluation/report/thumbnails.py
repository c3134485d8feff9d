"""Thumbnails of each face at the peaks of smile, valence and arousal, cut out while a recording is evaluated."""

from __future__ import annotations

import base64
import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from affect_perception.types import Affect, AffectFrame, Box, Frame

SIDE = 88  # px
_MARGIN = 0.2  # of the face box, on each side
_APART_S = 1.0  # nearer peaks are one
_MAX_TRACKS = 60  # more would make the page unreadable
# Peaks: name, quantity, sign, how many per track.
_PEAKS = (
    ('smile', 'smile_intensity', 1, 3),
    ('lowest valence', 'valence', -1, 1),
    ('highest valence', 'valence', 1, 1),
    ('highest arousal', 'arousal', 1, 1),
)


@dataclass(frozen=True)
class Thumbnail:
    """JPEG of a face of `track_id` at `stamp_s`, where `kind` has a peak of `value`."""

    track_id: int
    kind: str
    stamp_s: float
    value: float
    jpeg: bytes

    @property
    def uri(self) -> str:
        """Data URI for the `src` of an image, so that the page needs no other file."""
        return 'data:image/jpeg;base64,' + base64.b64encode(self.jpeg).decode()


class Thumbnails:
    """Keep the thumbnails of the highest peaks per track so far, and no other image."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, str], list[Thumbnail]] = {}
        self._tracks: set[int] = set()

    def add_frame(self, frame: Frame, affect: AffectFrame) -> None:
        """Cut out the faces of `frame` that are at a peak; the first 60 tracks count."""
        for face in affect.faces:
            if face.track_id not in self._tracks:
                if len(self._tracks) >= _MAX_TRACKS:
                    continue
                self._tracks.add(face.track_id)
            for kind, quantity, sign, most in _PEAKS:
                self._consider(frame, face, kind, sign * getattr(face, quantity), sign, most)

    def _consider(self, frame: Frame, face: Affect, kind: str, height: float, sign: int, most: int) -> None:
        if not math.isfinite(height):
            return
        stamp_s = frame.stamp_ns * 1e-9
        kept = self._kept.setdefault((face.track_id, kind), [])
        rival = next((t for t in kept if abs(t.stamp_s - stamp_s) < _APART_S), None)
        if rival is None and len(kept) == most:
            rival = min(kept, key=lambda t: sign * t.value)
        if rival is not None:
            if height <= sign * rival.value:
                return
            kept.remove(rival)
        kept.append(Thumbnail(face.track_id, kind, stamp_s, sign * height, cut_out(frame.rgb, face.box)))

    def of(self, tracks: Iterable[int]) -> list[Thumbnail]:
        """Thumbnails of one person, who may have had several track ids, in the order of time."""
        tracks = set(tracks)
        found = [t for (track, _), kept in self._kept.items() if track in tracks for t in kept]
        if len(tracks) > 1:  # as many as of one id
            of_kind = {kind: [t for t in found if t.kind == kind] for kind, *_ in _PEAKS}
            for kind, _, sign, most in _PEAKS:
                of_kind[kind].sort(key=operator.attrgetter('value'), reverse=sign > 0)
                del of_kind[kind][most:]
            found = [t for kept in of_kind.values() for t in kept]
        return sorted(found, key=lambda t: (t.stamp_s, t.kind))


def cut_out(rgb: np.ndarray, box: Box) -> bytes:
    """JPEG of SIDE × SIDE px of the face and a margin; grey beyond the edge of the image."""
    side = max(box.width, box.height, 2.0) * (1 + 2 * _MARGIN)
    scale = SIDE / side
    x, y = box.centre
    placed = np.array([[scale, 0, SIDE / 2 - x * scale], [0, scale, SIDE / 2 - y * scale]])
    half = side / 2 + 2
    left, top = max(int(x - half), 0), max(int(y - half), 0)  # warp the part in use, not the whole image
    near = rgb[top : max(int(y + half) + 1, 0), left : max(int(x + half) + 1, 0)]
    if near.size:
        placed[:, 2] += scale * np.array([left, top])
        block = int(0.5 / scale)
        if block > 1:  # shrink first, else fine structure turns to noise; whole blocks, which is quick
            height, width = (max(n // block, 1) for n in near.shape[:2])
            near = cv2.resize(near[: height * block, : width * block], (width, height), interpolation=cv2.INTER_AREA)
            placed[:, :2] *= block
        near = cv2.warpAffine(
            np.ascontiguousarray(near), placed, (SIDE, SIDE), borderMode=cv2.BORDER_CONSTANT, borderValue=(128,) * 3
        )
    else:
        near = np.full((SIDE, SIDE, 3), 128, np.uint8)
    return cv2.imencode('.jpg', near[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])[1].tobytes()
