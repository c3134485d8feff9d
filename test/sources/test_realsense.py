"""The RealSense source against librealsense itself: its software device, and its pipeline playing what that recorded.

The recording goes through the same pipeline, alignment and time stamps as a camera; only USB is missing.
"""

import gc
import time

import numpy as np
import pytest

from affect_perception.core.face_position import face_position
from affect_perception.errors import ConfigError
from affect_perception.settings import SourceSettings
from affect_perception.sources import live, open_source, realsense
from affect_perception.types import Box

SIZE = (640, 480)
SERIAL = '831612073525'
EPOCH_MS = 1_795_000_000_000.0
BASELINE_M = 0.015  # the colour camera is that far to the left of the depth camera
# A card 20 cm wide and high, 1 m before the colour camera and 20 cm right of it; a wall at 3 m.
CARD_IN_COLOUR = Box(320 + 60, 240 - 60, 120, 120)  # 600 px of focal length


@pytest.fixture
def rs():
    return pytest.importorskip('pyrealsense2', reason='needs pyrealsense2 and libusb-1.0-0', exc_type=ImportError)


class SoftwareCamera:
    """A D435 of librealsense's own making: what is put into it comes out as frames of a device."""

    def __init__(self, rs, domain=None, colour_sizes=((*SIZE, 30),)):
        self._rs, self._domain = rs, domain or rs.timestamp_domain.global_time
        self.device = rs.software_device()
        self.device.register_info(rs.camera_info.serial_number, SERIAL)
        self.device.register_info(rs.camera_info.name, 'Intel RealSense D435')
        self.colour, self.depth = self.device.add_sensor('RGB Camera'), self.device.add_sensor('Stereo Module')
        self.depth.add_read_only_option(rs.option.depth_units, 0.001)
        for uid, size in enumerate(colour_sizes):
            profile = self.colour.add_video_stream(self._stream(rs.stream.color, 10 + uid, size, 600.0))
            self.colour_profile = profile.as_video_stream_profile() if uid == 0 else self.colour_profile
        self.depth_profile = self.depth.add_video_stream(
            self._stream(rs.stream.depth, 1, (*SIZE, 30), 400.0)
        ).as_video_stream_profile()
        extrinsics = rs.extrinsics()
        extrinsics.rotation, extrinsics.translation = [1, 0, 0, 0, 1, 0, 0, 0, 1], [BASELINE_M, 0, 0]
        self.depth_profile.register_extrinsics_to(self.colour_profile, extrinsics)
        self.device.create_matcher(rs.matchers.dlr_c)

    def _stream(self, kind, uid, size, focal_px):
        rs, (width, height, fps) = self._rs, size
        stream, intrinsics = rs.video_stream(), rs.intrinsics()
        intrinsics.width, intrinsics.height, intrinsics.fx, intrinsics.fy = width, height, focal_px, focal_px
        intrinsics.ppx, intrinsics.ppy, intrinsics.model = width / 2, height / 2, rs.distortion.inverse_brown_conrady
        colour = kind == rs.stream.color
        stream.type, stream.uid, stream.index, stream.fps = kind, uid, 0, fps
        stream.width, stream.height, stream.bpp = width, height, 3 if colour else 2
        stream.fmt, stream.intrinsics = rs.format.rgb8 if colour else rs.format.z16, intrinsics
        return stream

    def show(self, number: int, depth: bool = True) -> None:
        """Frame `number` of the card before the wall; the red channel holds the number."""
        rgb = np.full((480, 640, 3), (number, 20, 20), np.uint8)
        z = np.full((480, 640), 3000, np.uint16)
        left, right = 320 + (0.1 - BASELINE_M) * 400, 320 + (0.3 - BASELINE_M) * 400
        z[240 - 40 : 240 + 40, round(left) : round(right)] = 1000
        if depth:
            self.depth.on_video_frame(self._frame(number, self.depth_profile, z, 2))
        self.colour.on_video_frame(self._frame(number, self.colour_profile, rgb, 3))

    def _frame(self, number, profile, pixels, bpp):
        frame = self._rs.software_video_frame()
        # As bytes: pyrealsense2 makes room for as many bytes as there are elements.
        frame.pixels, frame.bpp, frame.stride, frame.profile = pixels.view(np.uint8), bpp, bpp * 640, profile
        frame.timestamp, frame.domain, frame.frame_number = EPOCH_MS + number * 33.0, self._domain, number
        if bpp == 2:
            frame.depth_units = 0.001
        return frame


def aligned(rs, camera: SoftwareCamera, depth: bool = True):
    """A set of frames of the software camera through librealsense's syncer and alignment."""
    syncer = rs.syncer()
    for sensor, profile in ((camera.colour, camera.colour_profile), (camera.depth, camera.depth_profile)):
        sensor.open(profile)
        sensor.start(syncer)
    sets = []
    for number in range(1, 5):  # the syncer needs some to begin with
        camera.show(number, depth)
        there, frames = syncer.try_wait_for_frames(500)
        if there and frames.get_color_frame() and bool(frames.get_depth_frame()) == depth:
            sets.append(rs.align(rs.stream.color).process(frames))
    for sensor in (camera.colour, camera.depth):
        sensor.stop()
        sensor.close()
    return sets[-1]


@pytest.fixture
def recording(rs, tmp_path) -> str:
    """Ten frames (1 to 10) of the software camera as librealsense records them."""
    camera, path = SoftwareCamera(rs), None
    for suffix in ('db3', 'bag'):  # newer versions write ROS 2 bags, older ones ROS 1
        try:
            path = str(tmp_path / f'camera.{suffix}')
            recorder = rs.recorder(path, camera.device)
            break
        except RuntimeError:
            continue
    sensors = recorder.query_sensors()
    for sensor in sensors:
        sensor.open(sensor.profiles[0])
        sensor.start(lambda frame: None)
    for number in range(1, 11):
        camera.show(number)
        time.sleep(0.033)
    for sensor in sensors:
        sensor.stop()
        sensor.close()
    del recorder, sensors, sensor
    gc.collect()  # closes the file
    return path


def playing(rs, path: str):
    config = rs.config()
    config.enable_device_from_file(path, repeat_playback=False)
    return config


def test_frame_has_the_pixels_the_time_and_the_intrinsics_of_the_colour_camera(rs):
    frame = realsense.frame_of(rs, aligned(rs, SoftwareCamera(rs)), 'camera_color_optical_frame')
    number = int(frame.rgb[0, 0, 0])
    assert (frame.width, frame.height, frame.frame_id) == (*SIZE, 'camera_color_optical_frame')
    assert frame.rgb[100, 100].tolist() == [number, 20, 20]
    assert frame.stamp_ns == pytest.approx((EPOCH_MS + 33.0 * number) * 1e6, abs=1000)
    camera = frame.intrinsics
    assert (camera.width, camera.height, camera.fx, camera.cx, camera.distortion) == (640, 480, 600.0, 320.0, ())


def test_depth_is_aligned_to_colour_and_gives_positions_within_a_centimetre(rs):
    frame = realsense.frame_of(rs, aligned(rs, SoftwareCamera(rs)), 'optical')
    assert frame.depth.values.shape == (480, 640)
    assert frame.depth.unit_m == pytest.approx(0.001)
    position = face_position(CARD_IN_COLOUR, SIZE, frame.depth, frame.intrinsics)
    assert position == pytest.approx((0.2, 0.0, 1.0), abs=0.01)


def test_frame_without_depth_still_has_its_picture(rs):
    frame = realsense.frame_of(rs, aligned(rs, SoftwareCamera(rs), depth=False), 'optical')
    assert frame.depth is None
    assert frame.rgb.shape == (480, 640, 3)


def test_frame_with_the_clock_of_the_device_is_stamped_at_arrival(rs):
    camera = SoftwareCamera(rs, rs.timestamp_domain.hardware_clock)
    before = time.time_ns()
    frame = realsense.frame_of(rs, aligned(rs, camera), 'optical')
    assert before <= frame.stamp_ns <= time.time_ns()
    assert frame.depth.stamp_ns == frame.stamp_ns


def test_frames_do_not_hold_librealsenses_memory(rs):
    frame = realsense.frame_of(rs, aligned(rs, SoftwareCamera(rs)), 'optical')
    assert frame.rgb.base.flags.owndata
    assert frame.depth.values.base.flags.owndata


def test_pipeline_of_librealsense_gives_frames_with_depth(rs, recording):
    connection = realsense.RealSenseConnection(rs, playing(rs, recording), 'optical')
    try:
        frames = [connection.read() for _ in range(5)]
    finally:
        connection.close()
    numbers = [int(frame.rgb[0, 0, 0]) for frame in frames]
    assert connection.fps == 30.0
    assert numbers == sorted(set(numbers))
    for number, frame in zip(numbers, frames, strict=True):
        assert frame.stamp_ns == pytest.approx((EPOCH_MS + 33.0 * number) * 1e6, abs=1000)
        assert face_position(CARD_IN_COLOUR, SIZE, frame.depth, frame.intrinsics)[2] == pytest.approx(1.0, abs=0.01)


def test_camera_that_falls_silent_is_looked_for_until_it_is_back(rs, recording, monkeypatch):
    monkeypatch.setattr(realsense, 'SILENT_S', 0.3)
    monkeypatch.setattr(live, 'FIRST_PAUSE_S', 0.05)
    breaks, attempts = [], []

    def connect():
        attempts.append(time.monotonic())
        if len(attempts) in (2, 3):  # unplugged
            realsense.find_device(rs, [])
        return realsense.RealSenseConnection(rs, playing(rs, recording), 'optical')

    source = live.LiveSource('realsense', connect, 'optical', 30.0, breaks.append)
    frames = []
    for frame in source:
        frames.append(frame)
        if len(attempts) == 4 and len(frames) > 3:
            break
    source.close()
    assert [error.kind for error in breaks[:3]] == ['stream'] * 3
    assert 'no image in 0.3 s' in str(breaks[0])
    assert 'no RealSense camera found' in str(breaks[1])
    assert attempts[3] - attempts[2] > 2 * live.FIRST_PAUSE_S  # the pauses grow
    assert all(frame.depth is not None for frame in frames)


def test_recording_without_a_picture_in_time_is_no_camera(rs, recording, monkeypatch):
    monkeypatch.setattr(realsense, 'FIRST_FRAME_S', 0.0)
    with pytest.raises(ConfigError, match='delivers no image'):
        realsense.RealSenseConnection(rs, playing(rs, recording), 'optical')


@pytest.mark.parametrize('source', ['realsense', f'realsense:{SERIAL}'])
def test_no_camera_at_all_is_refused_in_one_line(rs, source):
    if len(rs.context().query_devices()):
        pytest.skip('there is a RealSense camera on this machine')
    with pytest.raises(ConfigError, match='no RealSense camera found') as caught:
        open_source(SourceSettings(source=source), print)
    assert '\n' not in str(caught.value)


def test_camera_is_found_by_its_serial_number(rs):
    devices = [SoftwareCamera(rs).device]
    assert realsense.find_device(rs, devices, SERIAL) is devices[0]
    assert realsense.find_device(rs, devices) is devices[0]


def test_serial_number_that_is_not_there_is_refused_with_those_that_are(rs):
    with pytest.raises(ConfigError, match=rf"'123'; here: {SERIAL} \(Intel RealSense D435\)"):
        realsense.find_device(rs, [SoftwareCamera(rs).device], '123')


def test_missing_pyrealsense2_is_refused_with_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__('sys').modules, 'pyrealsense2', None)
    with pytest.raises(ConfigError, match='pip install pyrealsense2'):
        open_source(SourceSettings(source='realsense'), print)


USB3 = ((1920, 1080, 30), (1280, 720, 30), (640, 480, 30), (640, 480, 60), (1280, 720, 15))
USB2 = ((1280, 720, 6), (640, 480, 30), (640, 480, 15), (424, 240, 30))


@pytest.mark.parametrize(
    ('offered', 'wanted', 'taken'),
    [
        (USB3, (1280, 720, 30), (1280, 720, 30)),
        (USB3, (640, 480, 30), (640, 480, 30)),
        (USB3, (1000, 600, 30), (1280, 720, 30)),
        (USB3, (640, 480, 50), (640, 480, 60)),
        (USB2, (1280, 720, 30), (640, 480, 30)),  # the rate counts more than the size
    ],
)
def test_nearest_profile_that_the_camera_offers_is_taken(rs, offered, wanted, taken):
    device = SoftwareCamera(rs, colour_sizes=offered).device
    profile = realsense.nearest_profile(rs, device, rs.format.rgb8, wanted[:2], wanted[2]).as_video_stream_profile()
    assert (profile.width(), profile.height(), profile.fps()) == taken


def test_device_that_lacks_colour_is_refused(rs):
    device = rs.software_device()
    device.register_info(rs.camera_info.name, 'Intel RealSense D430')
    with pytest.raises(ConfigError, match='D430 has no color stream'):
        realsense.nearest_profile(rs, device, rs.format.rgb8, SIZE, 30)


def test_streams_of_the_camera_are_asked_for_by_serial_number(rs):
    config = realsense.device_config(rs, SoftwareCamera(rs).device, SourceSettings())
    with pytest.raises(RuntimeError, match='No device connected'):  # a software device is not on USB
        config.resolve(rs.pipeline_wrapper(rs.pipeline()))
