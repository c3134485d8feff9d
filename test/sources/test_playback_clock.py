"""Playback time of recordings whose stamps jump, and of their sound."""

import threading

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
    playback.progress(EPOCH_NS + 10 * SECOND, 10 * SECOND, lap_ns=EPOCH_NS + 10 * SECOND)
    assert playback.lap_ns(1, stop) == EPOCH_NS + 10 * SECOND
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
