"""openSMILE's descriptors in a stream against those of the whole file."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from builders.sound import blocks, chirp, noise
from conftest import ROOT

from affect_perception.audio.features import open_extractor
from affect_perception.audio.stream import FeatureStream
from affect_perception.errors import ConfigError


def test_an_unknown_extractor_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match='choose one of: logmel, compare65, egemaps'):
        open_extractor('mfcc')


@pytest.mark.parametrize(('name', 'columns'), [('compare65', 65), ('egemaps', 23)])
def test_a_stream_gives_the_frames_of_the_whole_file(name, columns):
    opensmile = pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
    from affect_perception.audio.features.opensmile import SETS

    samples = chirp(100, 400, 3) + noise(3) / 4
    level = opensmile.FeatureLevel.LowLevelDescriptors
    smile = opensmile.Smile(getattr(opensmile.FeatureSet, SETS[name]), level, sampling_rate=16000)
    whole = np.nan_to_num(smile.process_signal(samples, 16000).to_numpy())
    stream = FeatureStream(name, exact=True, speech=False)
    parts = [stream.step(block) for block in blocks(samples)]
    parts.append(stream.finish())
    parts = [part for part in parts if part is not None]
    rows = np.concatenate([part.values for part in parts])
    assert rows.shape[1] == columns
    assert len(rows) > 270
    np.testing.assert_allclose(rows, whole[: len(rows)], rtol=1e-4, atol=1e-4)
    assert parts[0].stamp_ns == 30_000_000


def test_a_program_that_ends_within_a_stream_ends_in_order():
    pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
    code = (
        'import numpy as np\nfrom affect_perception.audio.features import open_extractor\n'
        'open_extractor("egemaps").push(np.zeros(16000, np.float32))\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
