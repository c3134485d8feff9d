"""Records of sound and the decoding of PCM."""

from __future__ import annotations

import numpy as np
import pytest

from affect_perception.core.sound import AudioFeatures, SoundBlock, samples_of
from affect_perception.errors import BadInputError


@pytest.mark.parametrize('name', ['U8', 'S16LE', 'S24LE', 'S24_32LE', 'S32LE', 'F32LE', 'F64LE'])
def test_pcm_of_every_format_decodes_to_the_same_stereo_samples(name):
    wanted = np.array([[0, 0.5], [-0.5, 0.25], [-1, 0.75]], np.float64)
    scale = {'U8': 7, 'S16LE': 15, 'S24LE': 23, 'S24_32LE': 23, 'S32LE': 31}.get(name)
    if name == 'U8':
        data = (wanted * 128 + 128).astype(np.uint8).tobytes()
    elif name == 'S24LE':
        data = np.rint(wanted * 2**23).astype('<i4').view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
    elif scale:
        data = (wanted * 2.0**scale).astype('<i2' if name == 'S16LE' else '<i4').tobytes()
    else:
        data = wanted.astype('<f4' if name == 'F32LE' else '<f8').tobytes()
    assert samples_of(data, name, 2) == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(('data', 'name', 'channels'), [(b'abc', 'S16LE', 1), (b'abcd', 'MP3', 1), (b'ab', 'S16LE', 0)])
def test_bytes_that_are_no_pcm_are_refused(data, name, channels):
    with pytest.raises(BadInputError, match=r'wanted one of|no whole number'):
        samples_of(data, name, channels)


def test_records_refuse_arrays_that_do_not_fit():
    with pytest.raises(BadInputError, match='wanted'):
        SoundBlock(0, np.zeros(5, np.float32), 16000)
    with pytest.raises(BadInputError, match='wanted float'):
        AudioFeatures(0, 0.01, ('a', 'b'), np.zeros((2, 3), np.float32))
    with pytest.raises(BadInputError, match='wanted more than 0'):
        AudioFeatures(0, 0.0, ('a',), np.zeros((2, 1), np.float32))
