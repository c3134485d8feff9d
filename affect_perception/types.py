"""Frozen records that flow between the parts: frames, detections, tracks, affect.

Times are integer nanoseconds of the image's stamp (`stamp_ns`), boxes are in px of the source image, colours are RGB,
and arrays are read-only inside a record. Constructors check shapes and types, so that a wrong array fails where it was
made.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, field

import numpy as np

from affect_perception.errors import BadInputError

NAN3 = (math.nan, math.nan, math.nan)


class SmileLevel(enum.IntEnum):
    """Smile level of Witzig et al. 2019, or `UNKNOWN` without a prediction; values as in `FaceAffect.msg`."""

    NEUTRAL = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    UNKNOWN = 255


# Intensities between the levels (0 to 1/8 neutral, to 3/8 low, to 3/4 medium, above high).
LEVEL_BOUNDS = (1 / 8, 3 / 8, 3 / 4)


def _image(array: np.ndarray, name: str) -> np.ndarray:
    """Read-only view of an (H, W, 3) uint8 image; BadInputError `image` for another array."""
    if not isinstance(array, np.ndarray) or array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3:
        given = f'{array.dtype} {array.shape}' if isinstance(array, np.ndarray) else type(array).__name__
        raise BadInputError('image', f'{name} is {given}; wanted an (H, W, 3) uint8 array')
    return _read_only(array)


def _read_only(array: np.ndarray) -> np.ndarray:
    view: np.ndarray = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Intrinsics:
    """Pinhole camera intrinsics of images of width × height px (REP 104); (cx, cy) is from the centre of pixel (0, 0).

    `distortion` is OpenCV's (k1, k2, p1, p2, k3, ...), empty for none. BadInputError `camera_info` if not calibrated.
    """

    width: int
    height: int
    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        numbers = (self.fx, self.fy, self.cx, self.cy, *self.distortion)
        good = all(map(math.isfinite, numbers)) and min(self.width, self.height, self.fx, self.fy) > 0
        if not good or len(self.distortion) not in (0, 4, 5, 8, 12, 14):
            raise BadInputError('camera_info', f'the camera is not calibrated: {self}')

    def scaled(self, width: int, height: int) -> Intrinsics:
        """Intrinsics at another resolution; BadInputError `camera_info` for another aspect ratio (by more than 1 %)."""
        by_x, by_y = width / self.width, height / self.height
        if by_x == by_y == 1:
            return self
        if abs(by_x / by_y - 1) > 0.01:
            raise BadInputError(
                'camera_info', f'camera_info of {self.width}x{self.height} does not fit an image of {width}x{height}'
            )
        cx, cy = (self.cx + 0.5) * by_x - 0.5, (self.cy + 0.5) * by_y - 0.5
        return Intrinsics(width, height, self.fx * by_x, self.fy * by_y, cx, cy, self.distortion)


@dataclass(frozen=True, eq=False)
class Depth:
    """Depth image: distances along the optical axis, `values` (H, W) uint16 or float32, read-only, in `unit_m` metres.

    0 and NaN mean no measurement. BadInputError `depth` for another array.
    """

    stamp_ns: int
    values: np.ndarray
    unit_m: float

    def __post_init__(self) -> None:
        values = self.values
        kind = values.dtype.str[1:] if isinstance(values, np.ndarray) and values.ndim == 2 else ''
        if kind not in ('u2', 'f4'):  # of either byte order
            given = f'{values.dtype} {values.shape}' if isinstance(values, np.ndarray) else type(values).__name__
            raise BadInputError('depth', f'Depth.values is {given}; wanted (H, W) uint16 or float32')
        object.__setattr__(self, 'values', _read_only(values))


@dataclass(frozen=True, eq=False)
class Frame:
    """One image of a source: `rgb` (H, W, 3) uint8, read-only; `frame_id` is the optical frame of the camera.

    `depth` is aligned to `rgb`; `depth` and `intrinsics` are None where the source has none. BadInputError `image` for
    another array.
    """

    stamp_ns: int
    frame_id: str
    rgb: np.ndarray
    depth: Depth | None = None
    intrinsics: Intrinsics | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, 'rgb', _image(self.rgb, 'Frame.rgb'))

    @property
    def width(self) -> int:
        """Width of the image in px."""
        return int(self.rgb.shape[1])

    @property
    def height(self) -> int:
        """Height of the image in px."""
        return int(self.rgb.shape[0])


@dataclass(frozen=True)
class Box:
    """Axis-aligned rectangle in px; (x, y) is the top left corner, the right and bottom edges are exclusive."""

    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y) of the centre in px."""
        return self.x + self.width / 2, self.y + self.height / 2

    @property
    def area(self) -> float:
        """Area in px²; 0 for a negative size."""
        return max(self.width, 0.0) * max(self.height, 0.0)

    @classmethod
    def around(cls, centre: tuple[float, float], width: float, height: float) -> Box:
        """Box of that size in px around `centre` (x, y)."""
        return cls(centre[0] - width / 2, centre[1] - height / 2, width, height)

    def clipped(self, image_width: int, image_height: int) -> Box:
        """Part inside an image of that size in px; width and height are 0 where nothing is left."""
        left, top = min(max(self.x, 0.0), image_width), min(max(self.y, 0.0), image_height)
        right = min(max(self.x + self.width, left), image_width)
        bottom = min(max(self.y + self.height, top), image_height)
        return Box(left, top, right - left, bottom - top)


@dataclass(frozen=True)
class Detection:
    """Detected face; `confidence` in [0, 1] is comparable within one detector only.

    `roll`: clockwise rotation of the face in rad where the detector itself measures it.
    """

    box: Box
    confidence: float
    roll: float | None = None


@dataclass(frozen=True, eq=False)
class DetectionRequest:
    """Request for a detection in one frame, with the faces tracked there and which of them to embed.

    `known_boxes` (N, 4) float: predicted faces as rows of (centre x, centre y, width, height) px; `embed` (N,) bool.
    By default every face is unknown and embedded. Raises ValueError for arrays of other shapes.
    """

    frame: Frame
    known_boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4)))
    embed: np.ndarray = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        count = len(self.known_boxes)
        object.__setattr__(self, 'known_boxes', _rows(self.known_boxes, (count, 4), 'f', 'known_boxes'))
        object.__setattr__(self, 'embed', _rows(self.embed, (count,), 'b', 'embed'))


@dataclass(frozen=True, eq=False)
class DetectionResult:
    """Faces detected in the frame of `stamp_ns`, in px of that frame; the arrays have a row per detection.

    `embeddings` (N, D) float, a row of NaN where a face was not embedded; None disables re-identification.
    `rolls` (N,) float: clockwise rotation of the line through the eyes in rad, NaN or None where unknown.
    `colour_histograms` (N, K) float; None lets the tracker compute them at 0.4 ms each.
    Raises ValueError for arrays of other shapes.
    """

    stamp_ns: int
    detections: tuple[Detection, ...]
    embeddings: np.ndarray | None = None
    rolls: np.ndarray | None = None
    colour_histograms: np.ndarray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, 'detections', tuple(self.detections))
        count = len(self.detections)
        for name, shape in (('embeddings', (count, -1)), ('rolls', (count,)), ('colour_histograms', (count, -1))):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _rows(getattr(self, name), shape, 'f', name))


def _rows(array: np.ndarray, shape: tuple[int, ...], kind: str, name: str) -> np.ndarray:
    """Read-only view of an array of that shape (-1: any length) and dtype kind; ValueError for another."""
    fits = isinstance(array, np.ndarray) and array.dtype.kind == kind and array.ndim == len(shape)
    if not fits or any(want not in (-1, length) for want, length in zip(shape, array.shape, strict=True)):
        given = f'{array.dtype} {array.shape}' if isinstance(array, np.ndarray) else type(array).__name__
        raise ValueError(f'{name} is {given}; wanted an array of kind {kind} and shape {shape}')
    return _read_only(array)


@dataclass(frozen=True, eq=False)
class Track:
    """Track of one face in one frame: `crop` (S, S, 3) uint8 RGB, `position` in m in the optical frame or NaN.

    `detection_age_s` is the time since the last detection of the face. BadInputError `image` for another crop.
    """

    track_id: int
    box: Box
    confidence: float
    detection_age_s: float
    crop: np.ndarray
    position: tuple[float, float, float] = NAN3

    def __post_init__(self) -> None:
        object.__setattr__(self, 'crop', _image(self.crop, f'crop of track {self.track_id}'))


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """Tracks of all faces in one image, maybe none; `stamp_ns` and `frame_id` are those of the image."""

    stamp_ns: int
    frame_id: str
    image_width: int
    image_height: int
    tracks: tuple[Track, ...]


@dataclass(frozen=True, eq=False)
class Affect:
    """Predictions for one face: probabilities sum to 1, valence and arousal are in [-1, 1], NaN without a head.

    `evidence_frames` is the number of frames of the track that the model has seen; `speaking` in [0, 1] and `laughter`
    in [0, 1] (voiced bursts while speaking) are NaN without sound.
    """

    track_id: int
    box: Box
    confidence: float
    smile_probabilities: tuple[float, float, float, float]
    smile_intensity: float
    position: tuple[float, float, float] = NAN3
    valence: float = math.nan
    arousal: float = math.nan
    expression_probabilities: tuple[float, ...] = ()
    reaction_intensities: tuple[float, ...] = ()
    evidence_frames: int = 0
    speaking: float = math.nan
    laughter: float = math.nan  # not part of FaceAffect.msg

    @property
    def smile_level(self) -> SmileLevel:
        """Most probable level; UNKNOWN where a probability is NaN."""
        if not all(math.isfinite(p) for p in self.smile_probabilities):
            return SmileLevel.UNKNOWN
        return SmileLevel(int(np.argmax(self.smile_probabilities)))


@dataclass(frozen=True, eq=False)
class AffectFrame:
    """Predictions of `model` for all faces of one image; the labels name the entries of the per-face tuples."""

    stamp_ns: int
    frame_id: str
    model: str
    faces: tuple[Affect, ...]
    expression_labels: tuple[str, ...] = ()
    reaction_labels: tuple[str, ...] = field(default=())
