"""Features of a stream of blocks: the same frames whatever the blocks, with the stamps of the samples."""

from __future__ import annotations

import itertools
import wave

import numpy as np
import pytest
from builders.sound import blocks, chirp, tone

from affect_perception.audio.features.logmel import LogMel
from affect_perception.audio.stream import FeatureStream
from affect_perception.audio.wav_file import WavFile
from affect_perception.core.sound import SoundBlock
from affect_perception.errors import BadInputError, ConfigError

pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')


def collect(stream, given):
    parts = [frames for block in given if (frames := stream.step(block)) is not None]
    last = stream.finish()
    return parts + ([last] if last is not None else [])


@pytest.mark.parametrize('size', [160, 777, 16000])
def test_blocks_of_any_size_give_the_frames_of_the_whole(size):
    samples = chirp(100, 3000, 2)
    parts = collect(FeatureStream(exact=True, speech=False), blocks(samples, size=size, start_ns=5_000_000_000))
    rows = np.concatenate([frames.values for frames in parts])
    np.testing.assert_allclose(rows, LogMel().frames(samples), atol=1e-3)
    assert parts[0].stamp_ns == 5_032_000_000  # the middle of the first window
    for before, after in itertools.pairwise(parts):
        assert after.stamp_ns == pytest.approx(before.end_ns, abs=2)


@pytest.mark.parametrize(('rate', 'channels'), [(8000, 2), (44_100, 1), (48_000, 2), (96_000, 6)])
def test_a_click_keeps_its_time_through_every_rate_and_channel_count(rate, channels):
    samples = np.zeros((2 * rate, channels), np.float32)
    samples[rate : rate + rate // 50] = tone(1000, 0.02, rate)[:, None]  # from 1.00 to 1.02 s
    parts = collect(FeatureStream(exact=True, speech=False), blocks(samples, rate, 10**18, size=rate // 10))
    energy = np.concatenate([frames.column('energy_db') for frames in parts])
    times = np.concatenate([f.stamp_ns - 10**18 + np.arange(len(f.values)) * f.period_s * 1e9 for f in parts]) * 1e-9
    loud = 10 ** (energy / 10)
    assert np.sum(times * loud) / np.sum(loud) == pytest.approx(1.01, abs=0.002)


def test_a_gap_is_marked_and_no_frame_spans_it():
    stream = FeatureStream(speech=False)
    given = list(blocks(tone(200, 4)))
    parts = collect(stream, given[:10] + given[20:])
    jumps = [after.stamp_ns - before.end_ns for before, after in itertools.pairwise(parts)]
    assert stream.gaps == 1
    assert sum(jump > 0.9e9 for jump in jumps) == 1
    assert (np.concatenate([f.column('f0_hz') for f in parts]) > 190).all()


def test_samples_that_are_not_finite_are_refused_and_the_sound_goes_on():
    stream = FeatureStream(speech=False)
    given = list(blocks(tone(200, 1)))
    bad = SoundBlock(given[4].stamp_ns, np.full((1600, 1), np.nan, np.float32), 16000)
    for block in given[:4]:
        stream.step(block)
    with pytest.raises(BadInputError, match='not finite'):
        stream.step(bad)
    after = [stream.step(block) for block in given[5:]]
    assert after[-1] is not None


def test_a_minute_of_a_fast_crystal_keeps_its_stamps():
    stream = FeatureStream(speech=False)
    parts = collect(stream, blocks(tone(200, 60), ppm=100, jitter_s=0.004))
    end_s = parts[-1].end_ns * 1e-9
    assert end_s == pytest.approx(60 / 1.0001 - 0.022, abs=0.006)  # less half a window; by counts alone 6 ms more


def test_speech_is_found_in_speech_and_not_in_a_tone():
    pytest.importorskip('silero_vad', reason='speech activity is an optional extra: pip install silero-vad')
    stream = FeatureStream()
    assert not any(frames.speech for frames in collect(stream, blocks(tone(1000, 2))))


def test_a_wav_file_keeps_the_samples_and_shows_gaps_as_silence(tmp_path):
    stream, file = FeatureStream(exact=True, speech=False), WavFile(tmp_path / 'a.wav')
    stream.on_samples = file.write
    given = list(blocks(tone(200, 2, 8000), 8000, size=800))
    collect(stream, given[:8] + given[14:])
    file.close()
    with wave.open(str(tmp_path / 'a.wav')) as kept:
        assert (kept.getframerate(), kept.getnchannels(), kept.getsampwidth()) == (16000, 1, 2)
        assert kept.getnframes() == pytest.approx(32000, abs=1500)  # less the delay of the filter, twice
        pcm = np.frombuffer(kept.readframes(kept.getnframes()), '<i2')
    assert not pcm[13500:21500].any()
    with pytest.raises(ConfigError, match='give a new file'):
        WavFile(tmp_path / 'a.wav')
