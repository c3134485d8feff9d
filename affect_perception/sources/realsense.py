"""RealSense cameras through pyrealsense2: `realsense` (the first one) or `realsense:SERIAL`.

Colour is rgb8 at the supported rate and size nearest to the settings, depth is aligned to it, intrinsics are those of
the colour camera. Stamps are the camera's where librealsense maps them to this machine's clock ("global time"), else
the time of arrival. An unplugged camera is searched for until it is back.
"""

from __future__ import annotations

import contextlib
import time
from typing import Any

import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.live import LiveSource
from affect_perception.types import Depth, Frame, Intrinsics

FIRST_FRAME_S = 5.0  # after starting, while exposure settles
SILENT_S = 2.0  # a camera without an image for this long counts as unplugged
DEPTH_SIZE = (848, 480)  # at which the stereo cameras of this family measure best; wider than the colour camera sees


def open_realsense(settings: SourceSettings, on_bad: BadInputCallback) -> LiveSource:
    """Open a RealSense camera; ConfigError without pyrealsense2, without such a camera, or without images."""
    rs = _library()
    _, _, serial = settings.source.partition(':')
    if settings.source.endswith(':'):
        raise ConfigError(f'{settings.source!r} lacks a serial number; wanted realsense or realsense:SERIAL')

    def connect() -> RealSenseConnection:
        # A new context lists the devices that were plugged in since the last one.
        try:
            device = find_device(rs, list(rs.context().query_devices()), serial)
            return RealSenseConnection(rs, device_config(rs, device, settings), settings.frame_id)
        except RuntimeError as error:
            raise ConfigError(
                f'the RealSense camera does not start ({error}); is another program using it, or is it behind USB 2?'
            ) from None

    return LiveSource(settings.source, connect, settings.frame_id, settings.fps, on_bad)


def _library() -> Any:
    try:
        import pyrealsense2
    except ImportError as error:
        raise ConfigError(
            f'RealSense cameras need pyrealsense2 ({error}): pip install pyrealsense2, and on Debian or Ubuntu '
            'apt install libusb-1.0-0; or run realsense2_camera and use topic:/camera/camera/color/image_raw'
        ) from None
    return pyrealsense2


def find_device(rs: Any, devices: list, serial: str = '') -> Any:
    """Find the device with a serial number, else the first one; ConfigError lists the present ones."""
    if not devices:
        raise ConfigError('no RealSense camera found; is it plugged into a USB 3 port, with its udev rules installed?')
    serials = {device.get_info(rs.camera_info.serial_number): device for device in devices}
    if serial and serial not in serials:
        there = ', '.join(f'{number} ({device.get_info(rs.camera_info.name)})' for number, device in serials.items())
        raise ConfigError(f'no RealSense camera with serial number {serial!r}; here: {there}')
    return serials[serial] if serial else devices[0]


def device_config(rs: Any, device: Any, settings: SourceSettings) -> Any:
    """Build the rs.config of the colour and depth streams of `device` nearest to the settings, rate before size.

    (Behind USB 2 the largest sizes are offered at a few frames per second only.)
    """
    colour = nearest_profile(rs, device, rs.format.rgb8, (settings.width, settings.height), settings.fps)
    depth = nearest_profile(rs, device, rs.format.z16, DEPTH_SIZE, colour.fps())
    config = rs.config()
    config.enable_device(device.get_info(rs.camera_info.serial_number))
    for profile in (colour, depth):
        video = profile.as_video_stream_profile()
        config.enable_stream(
            profile.stream_type(),
            profile.stream_index(),
            video.width(),
            video.height(),
            profile.format(),
            profile.fps(),
        )
    return config


def nearest_profile(rs: Any, device: Any, kind: Any, size: tuple[int, int], fps: float) -> Any:
    """Find the profile of format `kind` (rgb8 or z16) nearest to `fps`, then to `size`; ConfigError without one."""
    wanted = {rs.format.rgb8: rs.stream.color, rs.format.z16: rs.stream.depth}[kind]
    profiles = [profile for sensor in device.query_sensors() for profile in sensor.get_stream_profiles()]
    profiles = [profile for profile in profiles if (profile.stream_type(), profile.format()) == (wanted, kind)]
    if not profiles:
        name = device.get_info(rs.camera_info.name)
        raise ConfigError(f'{name} has no {wanted.name} stream in {kind.name}; wanted a camera with colour and depth')

    def distance(profile: Any) -> tuple[float, int]:
        video = profile.as_video_stream_profile()
        return abs(profile.fps() - fps), abs(video.width() - size[0]) + abs(video.height() - size[1])

    return min(profiles, key=distance)


class RealSenseConnection:
    """A started pipeline of the camera or recording in `config`, as a `live.Connection` of frames with depth."""

    def __init__(self, rs: Any, config: Any, frame_id: str) -> None:
        self._rs, self._frame_id = rs, frame_id
        self._pipeline, self._align = rs.pipeline(), rs.align(rs.stream.color)
        streams = self._pipeline.start(config).get_streams()
        self.fps = float(next(s.fps() for s in streams if s.stream_type() == rs.stream.color))
        try:
            self._wait(FIRST_FRAME_S)
        except OSError as error:
            self.close()
            raise ConfigError(f'the RealSense camera starts, but delivers no image: {error}') from None

    def read(self) -> Frame:
        """The next frame; OSError if none comes within 2 s."""
        try:
            return frame_of(self._rs, self._align.process(self._wait(SILENT_S)), self._frame_id)
        except RuntimeError as error:
            raise OSError(str(error)) from None

    def _wait(self, seconds: float) -> Any:
        """The next frame set with colour; OSError if none comes in time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            there, frames = self._pipeline.try_wait_for_frames(round(seconds * 1000))
            if there and frames.get_color_frame():
                return frames
        raise OSError(f'no image in {seconds:g} s')

    def abort(self) -> None:
        """Do nothing: `read` has a limit of its own."""

    def close(self) -> None:
        """Stop the pipeline."""
        with contextlib.suppress(RuntimeError):  # gone already
            self._pipeline.stop()


def frame_of(rs: Any, aligned: Any, frame_id: str) -> Frame:
    """Copy a frame set that rs.align has aligned to colour; librealsense can then re-use its memory."""
    colour, depth = aligned.get_color_frame(), aligned.get_depth_frame()
    stamp_ns = _stamp_ns(rs, colour) or time.time_ns()
    return Frame(
        stamp_ns,
        frame_id,
        np.array(colour.get_data()),
        depth=Depth(_stamp_ns(rs, depth) or stamp_ns, np.array(depth.get_data()), depth.get_units()) if depth else None,
        intrinsics=_intrinsics(rs, colour.profile.as_video_stream_profile().intrinsics),
    )


def _stamp_ns(rs: Any, frame: Any) -> int:
    """Epoch time of a frame in ns, 0 if it has only the clock of the device."""
    epoch = frame.frame_timestamp_domain in (rs.timestamp_domain.global_time, rs.timestamp_domain.system_time)
    return round(frame.get_timestamp() * 1e6) if epoch else 0


def _intrinsics(rs: Any, given: Any) -> Intrinsics:
    """Convert intrinsics; librealsense's inverse distortion, no model of OpenCV and nearly zero, is left out."""
    forward = given.model in (rs.distortion.brown_conrady, rs.distortion.modified_brown_conrady)
    distortion = tuple(given.coeffs) if forward and any(given.coeffs) else ()
    return Intrinsics(given.width, given.height, given.fx, given.fy, given.ppx, given.ppy, distortion)
