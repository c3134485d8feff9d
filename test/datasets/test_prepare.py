"""`affect-perception prepare`: shards of every set, resumption, parallel runs, findings about media, and the reader."""

from __future__ import annotations

import csv
import json
import logging
import pickle
import tarfile

import numpy as np
import pytest
from builders import datasets as build

from affect_perception.cli import main
from affect_perception.datasets import prepare as prepare_module
from affect_perception.datasets.prepare import PrepareOptions, prepare
from affect_perception.datasets.prepared import PreparedDataset
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings

pytest.importorskip('dlib', reason='needs dlib, for the detector')
HOG = TrackerSettings(detector='dlib_hog', reid='off')


def run(name, src, dst, **options):
    return prepare(name, src, dst, HOG, PrepareOptions(**options))


def findings(dst, kind):
    with (dst / 'findings.csv').open() as file:
        return [(r['file'], r['line'], int(r['count'])) for r in csv.DictReader(file) if r['kind'] == kind]


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    """Aff-Wild2 in small, prepared."""
    root = tmp_path_factory.mktemp('aff_wild2')
    build.aff_wild2(root / 'src')
    return run('aff_wild2', root / 'src', root / 'dst'), root / 'dst'


@pytest.mark.slow
@pytest.mark.parametrize('name', build.SETS)
def test_every_set_is_prepared_and_read_again(tmp_path, capsys, name):
    src, dst = build.SETS[name](tmp_path / 'src'), tmp_path / 'dst'
    assert main(['prepare', name, str(src), str(dst), '--detector', 'dlib_hog']) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last['complete']
    for split in last['shards']:
        data = PreparedDataset(dst, split)
        assert len(data) == last['counts'][split]['crops'] > 0
        assert data.read(np.arange(len(data))).shape == (len(data), 96, 96, 3)
        assert not np.isnan(data.labels).all(axis=1).any()


def test_labels_of_crops_are_those_of_their_frames(prepared):
    _, dst = prepared
    data = PreparedDataset(dst, 'train')
    sequence = next(s for s in data.sequences if s.clip == '1-30-1280x720')
    labels = {q: data.labels[sequence.rows, i] for i, q in enumerate(data.quantities)}
    frames = data.frame[sequence.rows]
    expected = np.where((frames == 3) | (frames == 4), np.nan, 0.01 * frames)
    np.testing.assert_allclose(labels['valence'], expected, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(labels['expression']), frames >= 20)


def test_left_and_right_of_one_video_are_two_faces(prepared):
    _, dst = prepared
    data = PreparedDataset(dst, 'val')
    centres = {s.clip: data.box[s.rows, 0].mean() for s in data.sequences}
    assert centres['video59_left'] < 480 < centres['video59_right']


def test_frames_without_a_crop_count_as_without_a_face(prepared):
    report, dst = prepared
    assert findings(dst, 'no_face') == [
        ('6th ABAW Annotations/VA_Estimation_Challenge/Train_Set/7-60-1920x1080.txt', '1', 2)
    ]
    assert report['no_face_share'] == pytest.approx(2 / 96, abs=1e-3)


def test_crops_of_the_shard_are_those_of_the_live_tracker(prepared):
    """Up to JPEG: the crop is made by the tracker itself."""
    from affect_perception.core.tracking.inline import track_inline
    from affect_perception.core.tracking.tracker import FaceTracker
    from affect_perception.detectors.face_analyzer import make_face_analyzer
    from affect_perception.settings import SourceSettings
    from affect_perception.sources import open_source

    _, dst = prepared
    data = PreparedDataset(dst, 'train')
    sequence = next(s for s in data.sequences if s.clip == '1-30-1280x720')
    source = open_source(SourceSettings(source=str(dst.parent / 'src' / 'batch1' / '1-30-1280x720.mp4')), print)
    tracked = list(track_inline(source, make_face_analyzer(HOG).analyze, FaceTracker(HOG)))
    crops = np.stack([tracked[frame].tracks[0].crop for frame in data.frame[sequence.rows]])
    assert np.abs(crops.astype(int) - data.read(sequence.rows)).mean() < 3


def test_shards_are_tar_files_with_labels_beside_the_crops(prepared):
    _, dst = prepared
    with tarfile.open(dst / 'train-00000.tar') as shard:
        names = shard.getnames()
        first = json.load(shard.extractfile(names[0]))
    assert names[0].endswith('.json')
    assert names[1].endswith('.0000.jpg')
    assert len({name.split('.')[0] for name in names}) == 2  # samples, as WebDataset groups them
    assert first['clip'] == '1-30-1280x720'
    assert first['labels']['valence'][3] is None
    assert first['audio_features'] == ''


def test_two_runs_give_the_same_bytes(prepared, tmp_path):
    _, dst = prepared
    run('aff_wild2', dst.parent / 'src', tmp_path / 'dst')
    for name in ('train-00000.tar', 'train-00000.npz', 'val-00000.tar'):
        assert (tmp_path / 'dst' / name).read_bytes() == (dst / name).read_bytes()


def test_a_killed_run_continues_where_it_stopped(tmp_path, monkeypatch):
    src, dst = build.hume_reaction(tmp_path / 'src'), tmp_path / 'dst'
    real, done = prepare_module.result_or_reason, []

    def killed(unit, report):
        if done:
            raise KeyboardInterrupt
        done.append(unit)
        return real(unit, report)

    monkeypatch.setattr(prepare_module, 'result_or_reason', killed)
    with pytest.raises(KeyboardInterrupt):
        run('hume_reaction', src, dst)
    with pytest.raises(ConfigError, match='not complete'):
        PreparedDataset(dst, 'train')
    (dst / 'val-00000.tar.part').write_bytes(b'half')
    monkeypatch.setattr(prepare_module, 'result_or_reason', real)
    report = run('hume_reaction', src, dst)
    assert (report['complete'], report['kept_shards']) == (True, 1)
    assert not list(dst.glob('*.part'))
    assert run('hume_reaction', src, dst)['kept_shards'] == 2


def test_changed_labels_are_prepared_again(tmp_path):
    src, dst = build.raf_db(tmp_path / 'src'), tmp_path / 'dst'
    run('raf_db', src, dst)
    build.write(src / 'basic' / 'EmoLabel' / 'list_patition_label.txt', ['train_00001.jpg 1', 'test_0001.jpg 1'])
    report = run('raf_db', src, dst)
    assert report['kept_shards'] == 1  # test
    assert PreparedDataset(dst, 'train').class_counts('expression')['surprise'] == 1


@pytest.mark.slow
def test_processes_give_the_same_bytes_as_one(prepared, tmp_path):
    _, dst = prepared
    run('aff_wild2', dst.parent / 'src', tmp_path / 'dst', jobs=2)
    assert (tmp_path / 'dst' / 'train-00000.tar').read_bytes() == (dst / 'train-00000.tar').read_bytes()


@pytest.mark.slow
def test_ray_gives_the_same_bytes_as_one(prepared, tmp_path):
    pytest.importorskip('ray', reason='needs Ray, which is optional')
    _, dst = prepared
    run('aff_wild2', dst.parent / 'src', tmp_path / 'dst', ray='local')
    assert (tmp_path / 'dst' / 'train-00000.tar').read_bytes() == (dst / 'train-00000.tar').read_bytes()


# Bad input


def test_labels_longer_and_shorter_than_the_video_are_findings(tmp_path):
    folder = tmp_path / 'src' / 'VA_Set' / 'Train_Set'
    for name, labels in (('long', 9), ('short', 4)):
        build.write(folder / f'{name}.txt', ['valence,arousal', *(['0.1,0.2'] * labels)])
        build.write_video(tmp_path / 'src' / f'{name}.mp4', 6)
    run('aff_wild2', tmp_path / 'src', tmp_path / 'dst')
    assert findings(tmp_path / 'dst', 'annotation_longer') == [('VA_Set/Train_Set/long.txt', '1', 3)]
    assert findings(tmp_path / 'dst', 'annotation_shorter') == [('VA_Set/Train_Set/short.txt', '1', 2)]
    assert PreparedDataset(tmp_path / 'dst', 'train').frame.max() == 5


def test_elan_segments_after_the_end_of_the_video_are_a_finding(tmp_path):
    src = build.elan(tmp_path / 'src')
    build.eaf(src / 'talk1.eaf', {'smile': [(0, 9000, 'low')]})
    run('elan', src, tmp_path / 'dst')
    assert findings(tmp_path / 'dst', 'annotation_longer') == [('splits.csv', '2', 1)]


def test_a_video_without_a_face_and_a_file_that_is_no_video_are_findings(tmp_path):
    src = build.hume_reaction(tmp_path / 'src')
    build.write_video(src / 'raw' / '00001.mp4', 12, faces=False)
    (src / 'raw' / '00002.mp4').write_bytes(b'no video\n' * 50)
    report = run('hume_reaction', src, tmp_path / 'dst')
    assert findings(tmp_path / 'dst', 'no_face') == [('data_info.csv', '2', 12)]
    assert findings(tmp_path / 'dst', 'unreadable_media') == [('data_info.csv', '3', 1)]
    assert report['counts']['train']['crops'] == 0
    with pytest.raises(ConfigError, match='has 4 successive crops'):
        PreparedDataset(tmp_path / 'dst', 'train').windows(4)


def test_a_class_without_samples_is_a_finding(tmp_path):
    run('raf_db', build.raf_db(tmp_path / 'src'), tmp_path / 'dst')
    assert [(file, count) for file, _, count in findings(tmp_path / 'dst', 'empty_class')] == [
        ('train', 5),
        ('test', 6),
    ]


@pytest.mark.parametrize(
    ('flags', 'says'),
    [
        (['--jobs', '0'], '--jobs 0'),
        (['--detector', 'haar'], 'haar'),
        (['--quantities', 'anger'], '--quantities anger: the set labels expression'),
        (['--crop-size', '7'], 'crop_size'),
    ],
)
def test_unusable_arguments_end_with_one_line_and_status_2(tmp_path, capsys, flags, says):
    src = build.raf_db(tmp_path / 'src')
    assert main(['prepare', 'raf_db', str(src), str(tmp_path / 'dst'), *flags]) == 2
    error = capsys.readouterr().err.strip()
    assert says in error
    assert len(error.splitlines()) == 1


def test_a_person_in_two_splits_ends_with_status_2_and_writes_nothing(tmp_path, capsys):
    src = build.elan(tmp_path / 'src')
    build.write(src / 'splits.csv', ['clip,person,split', 'talk1,p01,train', 'talk2,p01,val'])
    assert main(['prepare', 'elan', str(src), str(tmp_path / 'dst')]) == 2
    assert "person 'p01' is in train (splits.csv:2) and val (splits.csv:3)" in capsys.readouterr().err
    assert not (tmp_path / 'dst').exists()


def test_a_folder_with_other_content_is_refused(tmp_path):
    src = build.raf_db(tmp_path / 'src')
    with pytest.raises(ConfigError, match='not empty'):
        run('raf_db', src, src)
    run('raf_db', src, tmp_path / 'dst')
    with pytest.raises(ConfigError, match='holds the prepared data set raf_db'):
        run('sfew', build.sfew(tmp_path / 'other'), tmp_path / 'dst')


# Reader


def test_windows_do_not_cross_gaps_or_clips_unless_asked_to(prepared, caplog):
    _, dst = prepared
    data = PreparedDataset(dst, 'train')
    with caplog.at_level(logging.WARNING, 'affect_perception'):
        logging.getLogger('affect_perception').propagate = True
        windows = data.windows(10)
    assert (np.diff(data.frame[windows], axis=1) == 1).all()
    assert 'Skipping 1 of 2 clips' in caplog.text  # four crops in a clip of six frames
    assert len(data.windows(4, max_gap=-1)) == len(data.windows(4, max_gap=1)) == len(data.windows(4)) + 1


def test_batches_follow_the_seed_and_hold_validity(prepared):
    _, dst = prepared
    data = PreparedDataset(dst, 'train')
    windows = data.windows(2)
    first, again = ([b.rows.tolist() for b in data.batches(windows, 4, seed=3)] for _ in range(2))
    assert first == again
    assert sorted(r for b in first for w in b for r in w) == sorted(windows.ravel().tolist())
    batch = next(data.batches(windows, 4))
    assert batch.crops.shape == (4, 2, 96, 96, 3)
    assert (batch.valid == ~np.isnan(batch.labels)).all()


def test_evenly_spaced_crops_cover_the_clip_and_repeat_in_short_ones(prepared):
    _, dst = prepared
    data = PreparedDataset(dst, 'train')
    rows = data.evenly_spaced(16)
    assert rows.shape == (2, 16)
    assert data.frame[rows[0]][[0, -1]].tolist() == [0, 29]
    assert len(set(rows[1].tolist())) == 4


def test_reader_survives_pickling_and_reads_interleaved_rows(prepared):
    _, dst = prepared
    data = PreparedDataset(dst, 'val')
    rows = np.arange(len(data))[::-1]
    first = data.read(rows)
    copy = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(copy.read(rows), first)
    np.testing.assert_array_equal(data.read(rows[5:6])[0], first[5])
    data.close()


def test_an_absent_split_and_a_folder_that_is_none_are_refused(prepared, tmp_path):
    _, dst = prepared
    with pytest.raises(ConfigError, match="no split 'test'; it has train, val"):
        PreparedDataset(dst, 'test')
    with pytest.raises(ConfigError, match='no prepared data set'):
        PreparedDataset(tmp_path)
