"""openSMILE's descriptors in a stream against those of the whole file."""

from __future__ import annotations

import subprocess
import sys
import threading
import wave
from pathlib import Path

import numpy as np
import pytest
from builders.sound import blocks, chirp, noise
from conftest import ROOT

from affect_perception.audio.features import open_extractor
from affect_perception.audio.stream import FeatureStream
from affect_perception.errors import ConfigError
from affect_perception.sources.scene.speech import SpeechEvent, voice


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


@pytest.mark.parametrize('name', ['compare65', 'egemaps'])
def test_rows_equal_the_table_of_opensmile_s_own_command(name, tmp_path):
    opensmile = pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
    from opensmile.core.lib import OpenSMILE

    from affect_perception.audio.features.opensmile import SETS, make_smile

    samples = np.concatenate([chirp(100, 400, 0.5) + noise(0.5) / 4, voice(SpeechEvent(0, 1.0, 3))])
    with wave.open(str(tmp_path / 'a.wav'), 'wb') as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(np.clip(samples * 32768, -32768, 32767).astype('<i2').tobytes())
    shared = Path(opensmile.__file__).parent / 'core' / 'config' / 'shared'
    options = {  # SMILExtract -C CONFIG -source … -sink … -filename a.wav -lld_csv_output rows.csv
        'source': shared / 'standard_wave_input.conf.inc',
        'sink': shared / 'standard_data_output_no_lld_de.conf.inc',
        'bufferModeRbConf': shared / 'BufferModeRb.conf.inc',
        'frameModeFunctionalsConf': shared / 'FrameModeFunctionals.conf.inc',
        'filename': tmp_path / 'a.wav',
        'lld_csv_output': tmp_path / 'rows.csv',
    }
    command = OpenSMILE()
    command.initialize(make_smile(SETS[name], 'LowLevelDescriptors').config_path, options, loglevel=0)
    command.run()
    command.free()
    table = [line.split(';') for line in (tmp_path / 'rows.csv').read_text().splitlines()]
    extractor = open_extractor(name)
    rows = np.concatenate([*(extractor.push(part) for part in np.split(samples, 15)), extractor.finish()])
    first = len(table[0]) - len(extractor.names)  # behind the times
    assert tuple(table[0][first:]) == extractor.names
    np.testing.assert_allclose(rows, np.nan_to_num(np.array(table[1:])[:, first:].astype(float)), rtol=2e-6, atol=2e-6)


def test_a_program_that_ends_within_a_stream_ends_in_order():
    pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
    code = (
        'import numpy as np\nfrom affect_perception.audio.features import open_extractor\n'
        'open_extractor("egemaps").push(np.zeros(16000, np.float32))\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize('name', ['compare65', 'egemaps'])
def test_each_call_gives_the_same_rows_however_busy_the_program_is(name):
    pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
    samples = np.concatenate([voice(SpeechEvent(0, 1.2, 3)), noise(0.3)])
    sizes = np.random.default_rng(2).integers(1, 3000, 40)
    parts = np.split(samples, np.minimum(np.cumsum(sizes), len(samples)))
    over, extractors = threading.Event(), []

    def work() -> None:
        while not over.is_set():
            sum(range(20_000))

    def rows() -> list[np.ndarray]:
        extractor = open_extractor(name)
        extractors.append(extractor)
        return [*(extractor.push(part) for part in parts), extractor.finish()]

    quiet = rows()
    assert extractors[0].cpu_s > 0
    worker = threading.Thread(target=work)
    worker.start()
    try:
        busy = rows()
    finally:
        over.set()
        worker.join()
    assert [len(part) for part in busy] == [len(part) for part in quiet]
    np.testing.assert_array_equal(np.concatenate(busy), np.concatenate(quiet))
    assert sum(len(part) > 0 for part in quiet) > 10


@pytest.mark.slow
def test_an_endless_stream_takes_no_further_memory():
    pytest.importorskip('opensmile', reason='openSMILE is an optional extra: pip install opensmile')
    code = (
        'import numpy as np\nfrom affect_perception.audio.features import open_extractor\n'
        'extractor, rss = open_extractor("egemaps"), []\n'
        'for second in range(25):\n'
        '    extractor.push(np.zeros(16000, np.float32))\n'
        '    rss.append(int(open("/proc/self/statm").read().split()[1]) / 256)\n'
        'extractor.finish()\nprint(rss[-1] - rss[0])\n'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert float(done.stdout) < 1  # MB; without bounds 2.7
