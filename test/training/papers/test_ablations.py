"""Ablations on drawn clips: a table, a plot and JSON of each paper's rows."""

import json

import pytest
import yaml
from builders.papers import needs_torchvision
from builders.prepared import NETWORKS, write_config, write_prepared

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')
pytest.importorskip('matplotlib', reason='needs matplotlib (pip install affect-perception[eval])')

from affect_perception.cli import main
from affect_perception.errors import ConfigError
from affect_perception.training.papers import ablations, scores
from affect_perception.training.papers.ablations import Options, ablate
from affect_perception.training.papers.fusion import _divided

ROWS = {
    'witzig2019': {'neutral', 'low', 'medium', 'high', 'all'},
    'qian2023': {'v1 vgg16, 1 frames', 'v4 resnet50, 3 frames', 'av resnet50, 3 frames, with sound'},
    'vielzeuf2018': {'pooling lstm', 'pooling weighted', 'sound, random forest', 'images and sound, mean of scores'},
    'parthasarathy2020': {'gru_a', 'gru_v', 'gru_av', 'transformer_v', 'transformer_av'},
    'aspandi2020': {'Disc', 'AEG-CD', 'AEG-CD-SZ'},
}


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp('prepared') / 'drawn')


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(scores, 'REPEATS', 10)
    monkeypatch.setattr(ablations, 'TRIALS', 2)
    monkeypatch.setattr(ablations, 'FACES', (1, 2))


@pytest.mark.parametrize(
    'name',
    [
        pytest.param(name, marks=[needs_torchvision(name), *([] if name == 'aspandi2020' else [pytest.mark.slow])])
        for name in NETWORKS
    ],
)
def test_an_ablation_writes_a_table_a_plot_and_json_with_every_row_of_the_paper(name, data, tmp_path, capsys):
    config, out = write_config(tmp_path, name, data), tmp_path / 'ablation'
    command = ['ablate', name, '--config', str(config), '--out', str(out), '--epochs', '1']
    assert main(command) == 0
    found = json.loads((out / 'ablation.json').read_text())
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == found
    assert ROWS[name] <= set(found['rows'])
    table = (out / 'table.md').read_text()
    assert all(row in table for row in ROWS[name])
    assert (out / 'plot.png').stat().st_size > 5000
    states = {path: path.stat().st_mtime_ns for path in out.rglob('state-*')}
    assert main(command) == 0
    assert states == {path: path.stat().st_mtime_ns for path in out.rglob('state-*')}  # nothing was trained again


def test_a_training_file_of_another_paper_and_an_unknown_paper_are_refused(data, tmp_path):
    config = write_config(tmp_path, 'aspandi2020', data)
    with pytest.raises(ConfigError, match="trains 'aspandi2020'; give a training file of witzig2019"):
        ablate('witzig2019', Options(config, tmp_path / 'out'))
    with pytest.raises(ConfigError, match="no ablation of 'smile_va'"):
        ablate('smile_va', Options(config, tmp_path / 'out'))
    with pytest.raises(ConfigError, match='--seeds 0'):
        ablate('aspandi2020', Options(config, tmp_path / 'out', seeds=0))


def test_a_set_without_a_test_split_is_refused(tmp_path):
    data = write_prepared(tmp_path / 'data', {'train': 'abcd', 'val': 'ef'})
    config = write_config(tmp_path, 'aspandi2020', data)
    assert yaml.safe_load(config.read_text())['data'] == str(data)
    with pytest.raises(ConfigError, match='no test split'):
        ablate('aspandi2020', Options(config, tmp_path / 'out', epochs=1))


def test_stages_of_images_and_of_clips_are_told_apart():
    assert _divided('image:10, image_all:2,clip:30') == ('image:10,image_all:2', 'clip:30')
    assert _divided('') == ('', 'clip')
