"""Functionals of a stream against those of openSMILE for the same seconds."""

from __future__ import annotations

import numpy as np
import pytest
from builders.sound import blocks, chirp, noise

from affect_perception.audio.stream import stream_of
from affect_perception.core.sound import SoundBlock
from affect_perception.errors import ConfigError
from affect_perception.settings import AudioSettings

pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')
opensmile = pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
SECOND = 1_000_000_000
SETTINGS = AudioSettings(audio_functionals='egemaps', audio_window_s=2.0, audio_stride_s=0.5, audio_speech=False)


def heard(parts: list[SoundBlock]) -> list:
    stream = stream_of(SETTINGS, exact=True)
    found = stream.steps(parts, pytest.fail)
    stream.finish()
    return [part for part in [*found, *stream.steps((), pytest.fail)] if part.functionals]


def test_a_stream_gives_the_functionals_of_the_seconds_before_each_row():
    samples = chirp(100, 400, 3.2) + noise(3.2) / 4
    rows = heard(list(blocks(samples, start_ns=7 * SECOND)))
    assert [row.stamp_ns for row in rows] == [7 * SECOND + k * SECOND // 2 for k in range(1, 7)]
    smile = opensmile.Smile(
        opensmile.FeatureSet.eGeMAPSv01b, opensmile.FeatureLevel.Functionals, sampling_rate=16000, num_workers=1
    )
    for row, (begin, end) in ((rows[1], (0.0, 1.0)), (rows[5], (1.0, 3.0))):
        part = samples[round(begin * 16000) : round(end * 16000)]
        assert row.names == tuple(smile.feature_names)
        np.testing.assert_allclose(row.values, smile.process_signal(part, 16000).to_numpy(), rtol=1e-3, atol=1e-3)


def test_a_gap_begins_a_new_window_and_a_short_sound_has_one_row():
    samples = noise(1.2)
    late = [SoundBlock(b.stamp_ns + 9 * SECOND, b.samples, b.rate) for b in blocks(samples)]
    rows = heard([*blocks(samples), *late])
    # The filter of the resampler holds nothing back at 16 kHz: two rows of each part.
    assert [row.stamp_ns * 2 // SECOND for row in rows] == [1, 2, 19, 20]
    np.testing.assert_allclose(rows[2].values, rows[0].values, rtol=1e-5)
    assert len(heard(list(blocks(noise(0.3))))) == 1


def test_unknown_functionals_are_refused():
    from affect_perception.audio.features.functionals import FunctionalStream

    with pytest.raises(ConfigError, match='choose one of: egemaps, is10, compare, emobase'):
        FunctionalStream('is09')
