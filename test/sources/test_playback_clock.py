"""Playback time of recordings whose stamps jump, and of their sound."""

import threading

import cv2
import numpy as np
import pytest

from affect_perception.core.sound import SoundBlock
from affect_perception.settings import SourceSettings
from affect_perception.sources.folder import ImageFolder
from affect_perception.sources.playback_clock import Playback, PlaybackClock

EPOCH_NS = 1_700_000_000_000_000_000


def test_playback_begins_at_zero_and_closes_jumps_to_one_frame():
    clock = PlaybackClock(10.0)
    stamps = [EPOCH_NS, EPOCH_NS + 2 * 10**9, EPOCH_NS, EPOCH_NS + 3600 * 10**9]
    assert [clock.since_start(t) for t in stamps] == [0, 2 * 10**9, 21 * 10**8, 22 * 10**8]


SECOND = 1_000_000_000


def playing(rate: float = 0.0) -> Playback:
    playback = Playback()
    playback.expect_sound()
    playback.begin(EPOCH_NS, 0, rate)
    return playback


def waits(playback: Playback, recorded_ns: int) -> bool:
    return not playback.wait_for_sound(recorded_ns, 0.0, threading.Event())


def test_images_wait_for_the_sound_of_their_time_until_it_is_over():
    playback = playing()
    assert waits(playback, EPOCH_NS)
    playback.sound_progress(EPOCH_NS + SECOND)
    assert not waits(playback, EPOCH_NS + SECOND)
    assert waits(playback, EPOCH_NS + 2 * SECOND)
    playback.sound_over(0)
    assert not waits(playback, EPOCH_NS + 99 * SECOND)
    playback.progress(EPOCH_NS + 10 * SECOND, 10 * SECOND, lap_ns=10 * SECOND)  # the next pass
    assert waits(playback, EPOCH_NS + 10 * SECOND)
    playback.sound_over(0)  # too late: of the pass before
    assert waits(playback, EPOCH_NS + 10 * SECOND)
    playback.expect_sound(False)  # the device is gone
    assert not waits(playback, EPOCH_NS + 10 * SECOND)


def test_sound_of_a_looped_recording_is_over_where_the_next_pass_begins():
    playback, stop = playing(), threading.Event()
    assert playback.lap_ns(0, stop) == 0
    assert not playback.is_over(0, EPOCH_NS + 99 * SECOND)
    playback.progress(EPOCH_NS + 10 * SECOND, 10 * SECOND, lap_ns=10 * SECOND)
    assert playback.lap_ns(1, stop) == 10 * SECOND
    assert playback.is_over(0, EPOCH_NS + 10 * SECOND)
    assert not playback.is_over(0, EPOCH_NS + 9 * SECOND)


def test_sound_follows_images_that_jump_over_a_break():
    playback, clock = playing(), PlaybackClock(10.0)
    for recorded_s in (0.0, 0.1, 60.0, 60.1):
        recorded_ns = EPOCH_NS + round(recorded_s * SECOND)
        playback.progress(recorded_ns, clock.since_start(recorded_ns))
    assert playback.published_ns(EPOCH_NS + SECOND // 20) == SECOND // 20
    assert playback.published_ns(EPOCH_NS + 60 * SECOND) == SECOND // 5
    assert playback.is_skipped(EPOCH_NS + 30 * SECOND)
    assert not playback.is_skipped(EPOCH_NS + 60 * SECOND)
    assert not playback.is_skipped(EPOCH_NS)


def block(seconds: float) -> SoundBlock:
    return SoundBlock(round(seconds * SECOND), np.zeros((8000, 1), np.float32), 16000)


def test_sound_of_another_file_begins_anew_with_each_pass_over_a_looped_folder(tmp_path):
    for index in range(4):
        cv2.imwrite(str(tmp_path / f'{index}.png'), np.zeros((64, 64, 3), np.uint8))
    folder = ImageFolder(tmp_path, SourceSettings(source=str(tmp_path), fps=4.0, loop=True), pytest.fail)
    playback, heard = Playback(), []
    stop = threading.Event()
    images = iter(folder)
    sound = playback.passes([block(0), block(0.5), block(1)], True, stop)  # longer than a pass
    for index in range(12):
        frame = next(images)
        if index == 0:
            playback.begin(frame.stamp_ns, 0, 0.0)
        playback.progress(frame.stamp_ns, frame.stamp_ns, folder.lap_ns)
        if index % 4 == 0:
            heard.append([next(sound).stamp_ns / SECOND, next(sound).stamp_ns / SECOND])
    assert heard == [[0, 0.5], [1, 1.5], [2, 2.5]]


def test_a_sound_file_beside_a_bag_begins_with_its_first_image_in_every_pass():
    playback, stop = playing(), threading.Event()
    sound = playback.passes([block(0.25), block(0.5), block(99)], True, stop, same_clock=False)
    heard = [next(sound), next(sound)]
    playback.progress(EPOCH_NS + SECOND, SECOND, lap_ns=SECOND)
    heard += [next(sound), next(sound)]
    assert [part.stamp_ns - EPOCH_NS for part in heard] == [0, SECOND // 4, SECOND, SECOND + SECOND // 4]
