"""Geometry of RViz markers: per face a sphere coloured by valence, a bar of the smile intensity, text, a trail.

All coordinates are metres in the optical frame (REP 103: x right, y down, z forward). A face with depth is placed
at its position; a face without depth on the ray of its pixel, at its last depth if recent, else on the image plane
at `plane_m`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from affect_perception.core.display.captions import SPEAKS, readings
from affect_perception.settings import MarkerSettings
from affect_perception.types import Affect, Intrinsics, SmileLevel

Point = tuple[float, float, float]
Colour = tuple[float, float, float, float]  # red, green, blue, opacity in [0, 1]

EMOTICONS = {  # the font of RViz has no emoji
    SmileLevel.NEUTRAL: ':-|',
    SmileLevel.LOW: ':-)',
    SmileLevel.MEDIUM: ':-D',
    SmileLevel.HIGH: 'XD',
    SmileLevel.UNKNOWN: ':-?',
}
# Distinguishable with red-green colour blindness: blue for unpleasant, grey, yellow for pleasant.
_LOW, _MIDDLE, _HIGH, _UNKNOWN = (0.15, 0.35, 0.85), (0.75, 0.75, 0.75), (1.0, 0.8, 0.1), (0.35, 0.35, 0.35)
_SMILE, _BACK, _INK = (1.0, 0.85, 0.2, 1.0), (0.08, 0.08, 0.08, 0.8), (1.0, 1.0, 1.0, 1.0)
_FACE_M, _SMALLEST_M, _LARGEST_M = 0.16, 0.03, 0.6  # width of a face where it cannot be measured, and its limits
_NEAREST_M = 0.05
_REMEMBERED_S = 1.0  # how long the last depth of a face is used
_TRAIL_STEP_S = 0.05  # points of a trail are no closer


@dataclass(frozen=True)
class Shape:
    """One marker. `part` and `track_id` identify it from image to image; `points` are those of a trail."""

    part: str  # face, smile_back, smile, text or trail
    kind: str  # sphere, billboard, box, text or line
    track_id: int
    position: Point
    size: Point
    colour: Colour
    text: str = ''
    points: tuple[Point, ...] = ()

    @property
    def key(self) -> tuple[str, int]:
        """Identity from image to image: (part, track id)."""
        return self.part, self.track_id


@dataclass
class _FaceHistory:
    """Trail of a face as (stamp in ns, position), and the last depth measured."""

    seen_ns: int = 0
    z: float = math.nan
    z_ns: int = 0
    trail: deque[tuple[int, Point]] = field(default_factory=deque)


def assumed_intrinsics(width: int, height: int, field_of_view_deg: float) -> Intrinsics:
    """Pinhole intrinsics assumed from image size (px) and horizontal field of view."""
    focal = width / 2 / math.tan(math.radians(field_of_view_deg) / 2)
    return Intrinsics(width, height, focal, focal, (width - 1) / 2, (height - 1) / 2)


def valence_colour(valence: float, full: float) -> Colour:
    """Colour of a valence: blue at -`full` and below, grey at 0, yellow at `full` and above; dark grey for NaN."""
    if not math.isfinite(valence):
        return (*_UNKNOWN, 0.9)
    share = min(abs(valence) / full, 1.0)
    end = _HIGH if valence > 0 else _LOW
    red, green, blue = (m + (e - m) * share for m, e in zip(_MIDDLE, end, strict=True))
    return red, green, blue, 0.9


def caption(face: Affect, expressions: Sequence[str] = (), reactions: Sequence[str] = ()) -> str:
    """Text of a face: `3  :-D  0.82` and, where known, lines of valence and arousal, of expression, of reactions."""
    smile = f'  {face.smile_intensity:.2f}' if math.isfinite(face.smile_intensity) else ''
    voice = '  speaks' if face.speaking >= SPEAKS else ''  # not of NaN
    first = f'{face.track_id}  {EMOTICONS[face.smile_level]}{smile}{voice}'
    known = [f'{n} {v:+.2f}' for n, v in (('V', face.valence), ('A', face.arousal)) if math.isfinite(v)]
    lines = ['  '.join(known)] if known else []
    return '\n'.join([first, *lines, *readings(face, expressions, reactions)])


class FaceMarkers:
    """Markers of all faces of an image, with the history of each face for trails and for short gaps in depth."""

    def __init__(self, settings: MarkerSettings) -> None:
        self.settings = settings
        self._histories: dict[int, _FaceHistory] = {}
        self._last_ns = 0
        self._shown: set[tuple[str, int]] = set()
        self._labels: tuple[Sequence[str], Sequence[str]] = (), ()
        self.lifetime_s = settings.marker_lifetime_s

    def step(
        self,
        faces: Sequence[Affect],
        stamp_ns: int,
        camera: Intrinsics | None,
        expressions: Sequence[str] = (),
        reactions: Sequence[str] = (),
    ) -> tuple[tuple[Shape, ...], tuple[tuple[str, int], ...]]:
        """Shapes of `faces`, and the keys (part, track id) of shapes to remove.

        `expressions` and `reactions` are the labels of the faces' numbers, for the texts. Without `camera` only faces
        with a position get shapes. Updates `lifetime_s`, the lifetime of these shapes: the setting, or longer if the
        image period is so long that markers would blink.
        """
        if stamp_ns < self._last_ns:  # a recording that restarts
            self._histories = {}
        elif self._last_ns:
            period_s = (stamp_ns - self._last_ns) * 1e-9
            self.lifetime_s = max(self.settings.marker_lifetime_s, min(2.5 * period_s, 10.0))
        self._last_ns = stamp_ns
        self._labels = expressions, reactions
        shapes = tuple(shape for face in faces for shape in self._face_shapes(face, stamp_ns, camera))
        recent = {i: h for i, h in self._histories.items() if (stamp_ns - h.seen_ns) * 1e-9 < _REMEMBERED_S}
        self._histories = recent
        shown = {shape.key for shape in shapes}
        removed, self._shown = self._shown - shown, shown
        return shapes, tuple(sorted(removed))

    def _face_shapes(self, face: Affect, stamp_ns: int, camera: Intrinsics | None) -> Iterable[Shape]:
        history = self._histories.setdefault(face.track_id, _FaceHistory())
        history.seen_ns = stamp_ns
        position = self._position(face, history, stamp_ns, camera)
        if position is None:
            return
        x, y, z = position
        wide = face.box.width * z / camera.fx if camera else _FACE_M
        wide = min(max(wide, _SMALLEST_M), _LARGEST_M)
        colour = valence_colour(face.valence, self.settings.full_valence)
        yield Shape('face', self.settings.marker_shape, face.track_id, position, (wide, wide, wide), colour)
        thick, below = 0.1 * wide, y + 0.7 * wide
        yield Shape('smile_back', 'box', face.track_id, (x, below, z), (wide, thick, thick / 4), _BACK)
        if math.isfinite(face.smile_intensity):
            filled = max(min(face.smile_intensity, 1.0), 0.01) * wide
            middle = (x - (wide - filled) / 2, below, z - thick / 4)
            yield Shape('smile', 'box', face.track_id, middle, (filled, thick, thick / 4), _SMILE)
        high, text = 0.2 * wide, caption(face, *self._labels)
        yield Shape('text', 'text', face.track_id, (x, y - 0.8 * wide, z), (high, high, high), _INK, text)
        yield from self._trail(face.track_id, history, position, stamp_ns, wide, colour)

    def _position(self, face: Affect, history: _FaceHistory, stamp_ns: int, camera: Intrinsics | None) -> Point | None:
        if all(map(math.isfinite, face.position)) and face.position[2] > _NEAREST_M:
            history.z, history.z_ns = face.position[2], stamp_ns
            return face.position
        if camera is None:
            return None
        recent = math.isfinite(history.z) and (stamp_ns - history.z_ns) * 1e-9 < _REMEMBERED_S
        z = history.z if recent else self.settings.plane_m
        u, v = face.box.centre
        return (u - 0.5 - camera.cx) / camera.fx * z, (v - 0.5 - camera.cy) / camera.fy * z, z

    def _trail(
        self, track_id: int, history: _FaceHistory, position: Point, stamp_ns: int, wide: float, colour: Colour
    ) -> Iterable[Shape]:
        if self.settings.trail_s <= 0:
            history.trail.clear()
            return
        while history.trail and (stamp_ns - history.trail[0][0]) * 1e-9 > self.settings.trail_s:
            history.trail.popleft()
        if not history.trail or (stamp_ns - history.trail[-1][0]) * 1e-9 >= _TRAIL_STEP_S:
            history.trail.append((stamp_ns, position))
        points = (*(point for _, point in history.trail), position)
        size = (0.1 * wide, 0.0, 0.0)
        yield Shape('trail', 'line', track_id, (0.0, 0.0, 0.0), size, (*colour[:3], 0.6), points=points)
