"""Listings of every data set in its official layout, and what becomes of bad input: a finding with file and line."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders import datasets as build

from affect_perception.datasets import DATASETS, list_clips
from affect_perception.datasets.adapters.elan_clips import made_split
from affect_perception.datasets.records import check_listing
from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import EXPRESSIONS


def found(listing, kind: str) -> list[tuple[str, int, int]]:
    """(file, line, count) of the findings of one kind."""
    return [(f.file, f.line, f.count) for f in listing.findings if f.kind == kind]


def by_name(listing) -> dict:
    return {clip.name: clip for clip in listing.clips}


def expression(name: str) -> float:
    return float(EXPRESSIONS.index(name))


@pytest.mark.parametrize('name', DATASETS)
def test_every_set_in_its_official_layout_is_listed(tmp_path, name):
    listing = list_clips(name, build.SETS[name](tmp_path))
    check_listing(name, tmp_path, listing)
    assert all(clip.media.exists() for clip in listing.clips)
    assert {clip.split for clip in listing.clips} > {'train'}


@pytest.mark.parametrize('name', DATASETS)
def test_an_empty_folder_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=f'no usable clip of {name}'):
        check_listing(name, tmp_path, list_clips(name, tmp_path))


def test_unknown_name_and_missing_folder_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="no data set 'imagenet'; choose one of aff_wild2"):
        list_clips('imagenet', tmp_path)
    with pytest.raises(ConfigError, match='no folder'):
        list_clips('sewa', tmp_path / 'absent')


# Aff-Wild2


def test_aff_wild2_joins_tasks_and_leaves_minus_5_and_minus_1_unlabelled(tmp_path):
    listing = list_clips('aff_wild2', build.aff_wild2(tmp_path))
    clip = by_name(listing)['1-30-1280x720']
    series = {s.quantity: s for s in clip.series}
    assert set(series) == {'valence', 'arousal', 'expression'}
    assert np.isnan(series['valence'].at(np.array([2.0, 3.0, 4.0, 5.0]))).tolist() == [False, True, True, False]
    assert series['expression'].at(np.array([0.0]))[0] == expression('happiness')
    assert np.isnan(series['expression'].at(np.array([25.0])))[0]
    va = '6th ABAW Annotations/VA_Estimation_Challenge/Train_Set/1-30-1280x720.txt'
    assert (va, 5, 2) in found(listing, 'unlabelled')


def test_aff_wild2_tells_left_from_right_and_takes_crops_without_a_video(tmp_path):
    clips = by_name(list_clips('aff_wild2', build.aff_wild2(tmp_path)))
    assert clips['video59_left'].select == 'left'
    assert clips['video59_left'].media == clips['video59_right'].media == tmp_path / 'batch2' / 'video59.mp4'
    assert clips['7-60-1920x1080'].faces == 'given'
    assert clips['7-60-1920x1080'].media == tmp_path / 'cropped_aligned' / '7-60-1920x1080'


def test_aff_wild2_missing_video_and_bad_line_are_findings(tmp_path):
    build.aff_wild2(tmp_path)
    (tmp_path / 'batch1' / '1-30-1280x720.mp4').unlink()
    folder = tmp_path / '6th ABAW Annotations' / 'VA_Estimation_Challenge' / 'Train_Set'
    build.write(folder / 'odd.txt', ['valence,arousal', '0.1,0.2', '0.1;0.2'])
    listing = list_clips('aff_wild2', tmp_path)
    assert [(f, line) for f, line, _ in found(listing, 'bad_line')] == [
        ('6th ABAW Annotations/VA_Estimation_Challenge/Train_Set/odd.txt', 3)
    ]
    assert len(found(listing, 'missing_media')) == 1


# Hume-Reaction


def test_hume_reaction_reads_seven_columns_and_leaves_the_test_split_unlabelled(tmp_path):
    listing = list_clips('hume_reaction', build.hume_reaction(tmp_path))
    clip = by_name(listing)['00001']
    assert len(clip.values) == 7
    assert clip.values['reaction_empathic_pain'] == 0.05
    assert found(listing, 'unlabelled') == [('data_info.csv', 4, 1)]
    assert found(listing, 'unknown_person') == [('data_info.csv', 1, 2)]


def test_hume_reaction_takes_1_to_100_and_reports_a_bad_value(tmp_path):
    build.hume_reaction(tmp_path)
    lines = (tmp_path / 'data_info.csv').read_text().splitlines()
    lines[1] = '[00001],10,90,0,0,5,0,40,Train'
    lines[2] = '[00002],0,much,0,0,0,0,0,Val'
    build.write(tmp_path / 'data_info.csv', [*lines, '[00009],0.1,0.9'])
    listing = list_clips('hume_reaction', tmp_path)
    assert by_name(listing)['00001'].values['reaction_amusement'] == 0.9
    assert [line for _, line, _ in found(listing, 'bad_line')] == [5, 3]


# Folders of classes


def test_afew_takes_the_expression_from_the_folder_and_reports_the_unlabelled_test_split(tmp_path):
    listing = list_clips('afew', build.afew(tmp_path))
    assert by_name(listing)['Train_AFEW/Angry/00T046280.avi'].values == {'expression': expression('anger')}
    assert found(listing, 'no_label_file') == [('Test_AFEW', 0, 1)]


def test_sfew_aligned_faces_are_given_crops(tmp_path):
    clips = by_name(list_clips('sfew', build.sfew(tmp_path)))
    assert clips['Train/Angry/AlexEmma_000236960_00000045.png'].faces == 'detect'
    aligned = clips['Val/Val_Aligned_Faces/Sad/Crash_000236_00000001.png']
    assert (aligned.faces, aligned.split) == ('given', 'val')


# RAF-DB, AffectNet


def test_raf_db_maps_1_to_7_and_prefers_the_original(tmp_path):
    clips = by_name(list_clips('raf_db', build.raf_db(tmp_path)))
    assert clips['train_00001'].values == {'expression': expression('happiness')}
    assert clips['test_0001'].values == {'expression': expression('surprise')}
    assert (clips['train_00001'].faces, clips['train_00002'].faces) == ('detect', 'given')


def test_raf_db_bad_lines_and_missing_images_are_findings(tmp_path):
    build.raf_db(tmp_path)
    table = tmp_path / 'basic' / 'EmoLabel' / 'list_patition_label.txt'
    build.write(table, [*table.read_text().splitlines(), 'train_00003.jpg 8', 'train_00004.jpg 1', 'old_1.jpg 1'])
    listing = list_clips('raf_db', tmp_path)
    assert [line for _, line, _ in found(listing, 'bad_line')] == [4, 6]
    assert [line for _, line, _ in found(listing, 'missing_media')] == [5]


def test_affectnet_csv_leaves_uncertain_and_minus_2_unlabelled(tmp_path):
    listing = list_clips('affectnet', build.affectnet_csv(tmp_path))
    clips = by_name(listing)
    assert clips['train/103/a.jpg'].values == {'expression': expression('happiness'), 'valence': 0.8, 'arousal': 0.1}
    assert clips['val/7/c.jpg'].values == {'valence': -0.4, 'arousal': 0.6}
    assert found(listing, 'unlabelled') == [('training.csv', 3, 1)]
    assert found(listing, 'missing_media') == [('training.csv', 4, 1)]


def test_affectnet_npy_release_is_read(tmp_path):
    clips = by_name(list_clips('affectnet', build.affectnet_npy(tmp_path)))
    assert clips['train/0'].values == {'expression': expression('surprise'), 'valence': -0.25, 'arousal': 0.5}
    assert clips['train/1'].values['expression'] == expression('contempt')
    assert clips['val/2'].split == 'val'


# SEWA


def test_sewa_reads_labels_without_a_header_by_time(tmp_path):
    clip = by_name(list_clips('sewa', build.sewa(tmp_path)))['Devel_DE_01']
    assert (clip.split, clip.labelled_frames) == ('val', None)
    valence = next(s for s in clip.series if s.quantity == 'valence')
    assert valence.at(np.array([0.3])) == pytest.approx(-0.15)
    assert clip.labelled_s == pytest.approx(1.95)


def test_sewa_with_a_header_and_a_bad_value(tmp_path):
    build.sewa(tmp_path)
    table = tmp_path / 'labels' / 'Train_DE_01.csv'
    build.write(table, ['name;timestamp;arousal;valence;liking', 'Train_DE_01;0.0;0.1;0.2;0', 'Train_DE_01;0.1;3;;0'])
    listing = list_clips('sewa', tmp_path)
    assert found(listing, 'bad_line') == [('labels/Train_DE_01.csv', 3, 1)]
    assert found(listing, 'unlabelled') == [('labels/Train_DE_01.csv', 0, 1)]


# ELAN


def test_overlapping_segments_and_an_empty_tier_are_findings_with_their_lines(tmp_path):
    build.write_video(tmp_path / 'talk.mp4', 5)
    path = build.eaf(tmp_path / 'talk.eaf', {'smile': [(0, 500, 'low'), (400, 900, 'high')], 'valence': []})
    listing = list_clips('elan', tmp_path)
    lines = path.read_text().splitlines()
    segment = 1 + max(i for i, line in enumerate(lines) if '<ALIGNABLE_ANNOTATION' in line)
    tier = 1 + next(i for i, line in enumerate(lines) if 'TIER_ID="valence"' in line)
    assert found(listing, 'overlap') == [('talk.eaf', segment, 1)]
    assert found(listing, 'empty_tier') == [('talk.eaf', tier, 1)]
    assert listing.clips[0].series[0].at(np.array([0.45]))[0] == 3  # each ends where the next begins


def test_a_document_with_empty_tiers_only_is_skipped(tmp_path):
    build.write_video(tmp_path / 'talk.mp4', 5)
    build.eaf(tmp_path / 'talk.eaf', {'smile': []})
    listing = list_clips('elan', tmp_path)
    assert not listing.clips
    assert [kind for kind in ('empty_tier', 'bad_line') if found(listing, kind)] == ['empty_tier', 'bad_line']


def test_a_document_written_by_pympi_is_read(tmp_path):
    pympi = pytest.importorskip('pympi', reason='needs pympi-ling, an independent writer of ELAN documents')
    build.write_video(tmp_path / 'talk.mp4', 5)
    document = pympi.Elan.Eaf(author='ben')
    document.add_linked_file('file:///talk.mp4', mimetype='video/mp4')
    document.add_tier('smile@left@ben')
    document.add_annotation('smile@left@ben', 100, 300, 'medium')
    document.to_file(str(tmp_path / 'talk.eaf'))
    series = list_clips('elan', tmp_path).clips[0].series[0]
    assert series.at(np.array([0.0, 0.2, 0.4])).tolist() == [0, 2, 0]
    assert series.annotator == 'ben'


def test_two_people_of_one_video_are_two_clips(tmp_path):
    build.write_two_people(tmp_path / 'pair.mp4', 3)
    build.eaf(tmp_path / 'pair.eaf', {'smile@left': [(0, 100, 'low')], 'smile@right': [(0, 100, 'high')]})
    build.write(tmp_path / 'splits.csv', ['clip,side,person,split', 'pair,left,p1,train', 'pair,right,p2,train'])
    clips = by_name(list_clips('elan', tmp_path))
    assert {name: (c.person, c.select) for name, c in clips.items()} == {
        'pair_left': ('p1', 'left'), 'pair_right': ('p2', 'right'),
    }  # fmt: skip


def test_a_split_that_the_set_does_not_name_is_made_and_reported(tmp_path):
    build.elan(tmp_path)
    (tmp_path / 'splits.csv').unlink()
    listing = list_clips('elan', tmp_path)
    assert found(listing, 'made_split')[0][2] == 2
    shares = [made_split(f'person {i}') for i in range(2000)]
    assert [round(shares.count(s) / 2000, 1) for s in ('train', 'val', 'test')] == [0.8, 0.1, 0.1]


# Persons and splits


def test_a_person_in_two_splits_is_refused_with_file_and_lines(tmp_path):
    build.elan(tmp_path)
    build.write(tmp_path / 'splits.csv', ['clip,person,split', 'talk1,p01,train', 'talk2,p01,test'])
    with pytest.raises(ConfigError, match=r"'p01' is in train \(splits.csv:2\) and test \(splits.csv:3\)"):
        check_listing('elan', tmp_path, list_clips('elan', tmp_path))


def test_plain_csv_takes_labels_per_clip_and_per_frame(tmp_path):
    clips = by_name(list_clips('csv', build.plain_csv(tmp_path)))
    assert clips['a.mp4'].values == {'expression': expression('happiness')}
    assert clips['a2.mp4'].labelled_frames == build.FRAMES
    assert not math.isnan(clips['a2.mp4'].series[0].at(np.array([29.0]))[0])


def test_plain_csv_reports_lines_that_cannot_be_used(tmp_path):
    build.plain_csv(tmp_path)
    index = tmp_path / 'index.csv'
    lines = ['no.mp4,p4,val,happy,', 'a.mp4,p5,future,happy,', 'a.mp4,p5,train,merry,', 'a.mp4,p5,train,,', 'a.mp4,p5']
    build.write(index, [*index.read_text().splitlines(), *lines])
    listing = list_clips('csv', tmp_path)
    assert [line for _, line, _ in found(listing, 'missing_media')] == [5]
    assert sorted(line for _, line, _ in found(listing, 'bad_line')) == [6, 7, 9]
    assert [line for _, line, _ in found(listing, 'unlabelled')] == [8]
