"""Face crops of the labelled persons of one video, image folder or image, with the live detector, tracker and crops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from affect_perception.core.boxes import boxes_to_rows, iou
from affect_perception.core.images.compressed import FILES, decode_compressed
from affect_perception.core.images.crops import face_crop
from affect_perception.core.tracking.inline import step_inline
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.datasets.records import Clip
from affect_perception.detectors.face_analyzer import FaceAnalyzer, make_face_analyzer
from affect_perception.detectors.prefetch import DetectorPrefetch
from affect_perception.errors import BadInputError
from affect_perception.runtime.prefetch import prefetch
from affect_perception.settings import SourceSettings, TrackerSettings
from affect_perception.sources.file_kinds import IMAGE_SUFFIXES
from affect_perception.sources.video import open_file
from affect_perception.types import Box, DetectionRequest, DetectionResult, Frame, Track

_READ = 12  # frames that wait for the tracker, as in offline evaluation
_KEEP = 0.6  # the chosen face stays while its box has this share of the area of the largest
_SAME_FACE = 0.3  # IoU of a detection with the box that a set gives


@dataclass(frozen=True, eq=False)
class FaceSample:
    """Crop (S, S, 3) uint8 of the labelled person in one frame; `track_id` is 0 and `confidence` 1 for given crops."""

    track_id: int
    box: Box
    confidence: float
    crop: np.ndarray


@dataclass(frozen=True, eq=False)
class FrameFaces:
    """Frame number from 0, time in s since the first frame, and per clip of the medium its face or None."""

    frame: int
    time_s: float
    faces: tuple[FaceSample | None, ...]


class FaceChooser:
    """Choice of the face that a label means: the largest, with hysteresis, or the left or right one of two.

    A side is judged where two faces are in view and remembered by track; a single unknown face counts by the half of
    the image that its centre is in.
    """

    def __init__(self, select: str) -> None:
        self._select = select
        self._current: int | None = None
        self._sides: dict[int, str] = {}

    def choose(self, tracks: Sequence[Track], image_width: int) -> Track | None:
        """Return the track of the person, or None where the person is not in view."""
        if not tracks:
            return None
        return self._largest(tracks) if self._select == 'largest' else self._side(tracks, image_width)

    def _largest(self, tracks: Sequence[Track]) -> Track:
        largest = max(tracks, key=lambda t: t.box.area)
        current = next((t for t in tracks if t.track_id == self._current), None)
        if current is None or current.box.area < _KEEP * largest.box.area:
            current = largest
        self._current = current.track_id
        return current

    def _side(self, tracks: Sequence[Track], image_width: int) -> Track | None:
        ordered = sorted(tracks, key=lambda t: t.box.centre[0])
        if len(ordered) > 1:
            self._sides.update({ordered[0].track_id: 'left', ordered[-1].track_id: 'right'})
            return ordered[0] if self._select == 'left' else ordered[-1]
        half = 'left' if ordered[0].box.centre[0] < image_width / 2 else 'right'
        return ordered[0] if self._sides.get(ordered[0].track_id, half) == self._select else None


class FaceExtractor:
    """Extract the faces of videos, images and folders of crops; not for use by two threads at a time.

    ConfigError at the first detection where the detector cannot be used.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings

    @cached_property
    def _analyzer(self) -> FaceAnalyzer:
        """The analyzer, made when the first face is to be detected: given crops need none."""
        return make_face_analyzer(self._settings)

    def close(self) -> None:
        """End the detector."""
        if '_analyzer' in self.__dict__:
            self._analyzer.close()

    def video(self, path: Path, selects: Sequence[str], problems: list[BadInputError]) -> Iterator[FrameFaces]:
        """Yield every frame of a video with the face of each person, chosen by `selects`.

        Reading and detection have threads of their own. What cannot be read goes to `problems`; ConfigError for a file
        that is no video.
        """
        tracker = FaceTracker(self._settings)
        choosers = [FaceChooser(select) for select in selects]
        detections = DetectorPrefetch(
            self._analyzer.detect, self._settings.detect_every, self._settings.detect_period_s
        )

        def analyze(request: DetectionRequest) -> DetectionResult:
            return self._analyzer.analyze_detections(request, detections.detections(request.frame))

        def read() -> Iterator[Frame]:
            for frame in open_file(path, SourceSettings(source=str(path)), problems.append):
                detections.announce(frame)
                yield frame

        try:
            with closing(prefetch(read(), _READ)) as frames:
                for index, frame in enumerate(frames):
                    tracks = step_inline(frame, analyze, tracker).tracks
                    detections.advance()
                    chosen = [chooser.choose(tracks, frame.width) for chooser in choosers]
                    faces = tuple(None if t is None else _sample(t) for t in chosen)
                    yield FrameFaces(index, frame.stamp_ns * 1e-9, faces)
        finally:
            detections.close()

    def image(self, clip: Clip) -> FaceSample | None:
        """Return the face of a single image: the one in the set's box, else the largest; None without a face.

        With a box and no detection in it, the box itself is cropped. Raises BadInputError for an unusable image.
        """
        rgb = read_image(clip.media)
        if clip.faces == 'given':
            return given_crop(rgb, self._settings.crop_size)
        tracks = step_inline(Frame(0, '', rgb), self._analyzer.analyze, FaceTracker(self._settings)).tracks
        if clip.box is None:
            return _sample(max(tracks, key=lambda t: t.box.area)) if tracks else None
        overlaps = iou(boxes_to_rows([t.box for t in tracks]), boxes_to_rows([clip.box]))[:, 0]
        if len(overlaps) and overlaps.max() >= _SAME_FACE:
            return _sample(tracks[int(overlaps.argmax())])
        crop = face_crop(rgb, clip.box, self._settings.crop_size, self._settings.crop_margin)
        return FaceSample(0, clip.box, 1.0, crop)

    def folder(self, clip: Clip, fps: float, problems: list[BadInputError]) -> Iterator[FrameFaces]:
        """Yield the given crops of an image folder by frame; numbers without an image yield no face.

        Labels that go on after the last image do too: the set leaves out the images of faces that it did not find.
        """
        last = -1
        for number, path in numbered_images(clip.media):
            for missing in range(last + 1, number):
                yield FrameFaces(missing, missing / fps, (None,))
            last = number
            try:
                sample: FaceSample | None = given_crop(read_image(path), self._settings.crop_size)
            except BadInputError as error:
                problems.append(error)
                sample = None
            yield FrameFaces(number, number / fps, (sample,))
        for missing in range(last + 1, clip.labelled_frames or 0):
            yield FrameFaces(missing, missing / fps, (None,))


def numbered_images(folder: Path) -> list[tuple[int, Path]]:
    """(frame number from 0, file) of images named by their frame from 1, such as 00001.jpg, in order; no others."""
    return sorted(
        (int(p.stem) - 1, p) for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.stem.isdecimal()
    )


def read_image(path: Path) -> np.ndarray:
    """Decode an image file to (H, W, 3) uint8 RGB; BadInputError names the file."""
    try:
        return decode_compressed(path.read_bytes(), path.suffix[1:], FILES)
    except BadInputError as error:
        raise BadInputError(error.kind, f'{path.name}: {error}') from None
    except OSError as error:
        raise BadInputError('data', f'{path.name} cannot be read: {error.strerror}') from None


def given_crop(rgb: np.ndarray, size: int) -> FaceSample:
    """Scale a face crop of a data set to size × size px, from its central square."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = rgb[top : top + side, left : left + side]
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    crop = cv2.resize(square, (size, size), interpolation=method) if side != size else square
    return FaceSample(0, Box(left, top, side, side), 1.0, crop)


def _sample(track: Track) -> FaceSample:
    return FaceSample(track.track_id, track.box, track.confidence, track.crop)
