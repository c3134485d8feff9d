"""Reader of camera calibrations in the YAML format of camera_calibration and camera_info_manager."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from sensor_msgs.msg import CameraInfo

from affect_perception.errors import ConfigError
from affect_perception.runtime.files import read_text_file
from affect_perception.runtime.yaml_text import read_yaml

_IDENTITY = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)


def read_camera_info(url: str) -> CameraInfo:
    """Calibration of `url`: file:///path, package://PACKAGE/path or a path. ConfigError says what is wrong with it."""
    file = _path(url)
    try:
        content = read_yaml(read_text_file(file))
    except OSError as error:
        raise ConfigError(f'camera_info_url = {url!r}: cannot read {file} ({error.strerror})') from None
    except ValueError as error:
        raise ConfigError(f'camera_info_url = {url!r}: {file} is no YAML ({error})') from None
    try:
        return _message(content)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ConfigError(
            f'camera_info_url = {url!r}: {file} is no calibration ({type(error).__name__}: {error}); wanted the YAML '
            'of camera_calibration, with image_width, image_height, camera_matrix and distortion_coefficients'
        ) from None


def _path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.scheme == 'file':
        return Path(unquote(parts.path))
    if parts.scheme == 'package':
        try:
            return Path(get_package_share_directory(parts.netloc)) / unquote(parts.path).lstrip('/')
        except (PackageNotFoundError, ValueError, OSError):
            raise ConfigError(f'camera_info_url = {url!r}: there is no package {parts.netloc}') from None
    if '://' in url:
        raise ConfigError(f'camera_info_url = {url!r}: give file:///path, package://PACKAGE/path or a path')
    return Path(url).expanduser()


def _message(content: Any) -> CameraInfo:
    k = _numbers(content['camera_matrix'], 9)
    projection = content.get('projection_matrix')
    width, height = int(content['image_width']), int(content['image_height'])
    if min(width, height) < 1:
        raise ValueError(f'a size of {width}x{height}')
    return CameraInfo(
        width=width,
        height=height,
        distortion_model=str(content.get('distortion_model') or 'plumb_bob'),
        d=_numbers(content['distortion_coefficients']),
        k=k,
        r=_numbers(content['rectification_matrix'], 9) if 'rectification_matrix' in content else list(_IDENTITY),
        p=_numbers(projection, 12) if projection else [*k[:3], 0.0, *k[3:6], 0.0, *k[6:], 0.0],
    )


def _numbers(matrix: Any, count: int | None = None) -> list[float]:
    """Numbers of a matrix {rows, cols, data}; ValueError for another count, or a value that is not finite."""
    numbers = [float(value) for value in matrix['data']]
    if (count is not None and len(numbers) != count) or not all(map(math.isfinite, numbers)):
        raise ValueError(f'{matrix["data"]} are not {count or "finite"} numbers')
    return numbers
