"""Images that ask for far more memory or time than their bytes: refused from their header."""

import subprocess
import sys
from pathlib import Path

import pytest
from builders import bombs
from builders.bombs import BOMBS, jpeg

from affect_perception.core.images.compressed import FILES, decode_compressed
from affect_perception.core.images.jpeg_stream import JpegSplitter
from affect_perception.errors import BadInputError

MOST_MB = 100


@pytest.mark.parametrize('name', BOMBS)
def test_bomb_is_refused_before_the_decoder_sees_it(name, monkeypatch):
    monkeypatch.setattr('cv2.imdecode', lambda *_: pytest.fail('the decoder was called'))
    if name == 'png with 300 texts of 8 MB':
        pytest.skip('its texts are dropped, its pixels decoded')
    with pytest.raises(BadInputError) as caught:
        decode_compressed(BOMBS[name], accepted=FILES)
    assert caught.value.kind in ('compressed', 'size')


@pytest.mark.skipif(not Path('/proc/self/status').exists(), reason='needs /proc')
def test_no_bomb_costs_memory():
    child = subprocess.run([sys.executable, bombs.__file__], capture_output=True, text=True, timeout=200, check=True)
    assert int(child.stdout) < MOST_MB


@pytest.mark.parametrize(('name', 'said'), [('gif', 'is gif'), ('jpeg 2000', 'is jpeg 2000'), ('bmp of', 'is bmp')])
def test_topics_and_streams_take_jpeg_and_png_only(name, said):
    data = next(data for key, data in BOMBS.items() if key.startswith(name))
    with pytest.raises(BadInputError, match=f'{said}; wanted jpeg or png'):
        decode_compressed(data, 'jpeg')


def test_splitter_searches_each_byte_of_a_large_image_once(monkeypatch):
    searched = []

    class Counting(bytearray):
        def find(self, what, start=0, *end):
            searched.append((end[0] if end else len(self)) - start)
            return super().find(what, start, *end)

    splitter = JpegSplitter()
    splitter._buffer = Counting()
    image = jpeg(640, 480)[:-2] + bytes(2_000_000) + b'\xff\xd9'
    found = [one for at in range(0, len(image), 1460) for one in splitter.feed(image[at : at + 1460])]
    assert found == [image]
    assert sum(searched) < 3 * len(image)


def test_damage_that_goes_on_in_a_stream_is_told_once():
    assert len(JpegSplitter().feed(b'\xff\xd8\xff\xe0\x00\x00' * 10_000)) == 1
