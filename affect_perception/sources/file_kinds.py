"""Kind of a file by its content: image, video or bag, or the reason why it is none; what became of it."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from affect_perception.core.images.compressed import FILES
from affect_perception.core.images.image_headers import HEIF, ImageHeader, check_size, read_header
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.runtime.files import text_of_name

START = 65536  # bytes that tell the format
IMAGE, VIDEO, BAG, HIDDEN, FOLDER, OTHER = 'image', 'video', 'bag', 'hidden', 'folder', 'other'
# Names of files that count as damaged, and not as something else, where their content is no image or video.
IMAGE_SUFFIXES = (
    '.jpg', '.jpeg', '.png', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm', '.heic', '.heif', '.avif',
)  # fmt: skip
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.gif', '.m4v', '.mpg', '.mpeg', '.wmv', '.ogv', '.flv')
READ, READ_IN_PART, LEFT_OUT, FAILED = 'read', 'read in part', 'left out', 'failed'


@dataclass(frozen=True)
class FileStatus:
    """Status of a given file: `status` is read, read in part, left out or failed, `reason` says why."""

    file: str
    status: str
    reason: str = ''

    def as_row(self) -> dict[str, str]:
        """As a row of files.csv and an entry of metrics.json."""
        return {'file': self.file, 'status': self.status, 'reason': self.reason}


@dataclass(frozen=True)
class FileKind:
    """Kind of a file, one of the names above; `reason` says why a file of kind `other` or `hidden` is not read."""

    kind: str
    reason: str = ''


def kind_of(path: Path) -> FileKind:
    """Kind of a file or folder, by content; nothing but its start is decoded, and videos are opened."""
    from affect_perception.sources.bags.files import is_bag

    if path.name.startswith('.'):
        return FileKind(HIDDEN, 'hidden file')
    try:
        if path.is_dir():
            return FileKind(BAG) if is_bag(path) else FileKind(FOLDER)
        if is_bag(path):
            return FileKind(BAG)
        about = path.stat()
        return _kind_of_content(path, about.st_size, about.st_mtime_ns)
    except OSError as error:
        return FileKind(OTHER, f'cannot be read: {error.strerror}')


@functools.lru_cache(maxsize=65536)
def _kind_of_content(path: Path, size: int, _: int) -> FileKind:
    """Kind by content; size and time of change are part of the key of the cache."""
    if not path.is_file():
        return FileKind(OTHER, 'is no regular file')
    if not size:
        return FileKind(OTHER, 'is empty')
    with path.open('rb') as file:
        start = file.read(START)
    kind = kind_of_start(start) or _kind_of_container(path)
    if kind.kind != OTHER:
        return kind
    suffix = path.suffix.lower()
    named = IMAGE if suffix in IMAGE_SUFFIXES else VIDEO if suffix in VIDEO_SUFFIXES else OTHER
    return FileKind(named, kind.reason)


def kind_of_start(start: bytes) -> FileKind | None:
    """Kind by the first bytes of a file; None where FFmpeg has to look at it."""
    try:
        header = read_header(start)
    except BadInputError as error:
        if start.startswith(b'RIFF'):  # an animated WebP
            return None
        return FileKind(IMAGE, str(error))  # damaged; the decoder says how
    if header.format == 'png':
        return None if b'acTL' in start[: start.find(b'IDAT')] else FileKind(IMAGE)
    if header.format == 'gif':
        return _kind_of_gif(header)
    if header.format in FILES or header.format == HEIF:
        return FileKind(IMAGE)
    if header.format:
        return FileKind(OTHER, f'is {header.format}; wanted {", ".join(FILES)}, heif or avif, a video or a bag')
    if b'\0' not in start:  # FFmpeg would render it as a terminal
        return FileKind(OTHER, 'is text')
    return None


def _kind_of_gif(header: ImageHeader) -> FileKind | None:
    """A GIF is a video; FFmpeg would decode a huge one to learn its rate."""
    try:
        if header.size is not None:
            check_size(*header.size)
    except BadInputError as error:
        return FileKind(OTHER, f'holds {error}')
    return None


def _kind_of_container(path: Path) -> FileKind:
    from affect_perception.sources.container import describe_tracks, open_container, picture_track

    try:
        with closing(open_container(path)) as container:
            if picture_track(container) is not None:
                return FileKind(VIDEO)
            return FileKind(OTHER, f'holds {describe_tracks(container)}, no pictures')
    except ConfigError as error:
        return FileKind(OTHER, f'is neither an image, a video nor a bag ({error})')


def statuses_of(paths: Iterable[tuple[Path, FileKind]]) -> list[FileStatus]:
    """Statuses of files that are left out, by their kinds."""
    return [
        FileStatus(text_of_name(path.name), LEFT_OUT, kind.reason or f'is a {kind.kind}; give it by itself')
        for path, kind in paths
    ]
