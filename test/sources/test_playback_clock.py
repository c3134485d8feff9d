"""Playback time of recordings whose stamps jump."""

from affect_perception.sources.playback_clock import PlaybackClock

EPOCH_NS = 1_700_000_000_000_000_000


def test_playback_begins_at_zero_and_closes_jumps_to_one_frame():
    clock = PlaybackClock(10.0)
    stamps = [EPOCH_NS, EPOCH_NS + 2 * 10**9, EPOCH_NS, EPOCH_NS + 3600 * 10**9]
    assert [clock.since_start(t) for t in stamps] == [0, 2 * 10**9, 21 * 10**8, 22 * 10**8]
