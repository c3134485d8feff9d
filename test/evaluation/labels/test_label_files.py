"""Label files as annotation tools and spreadsheets write them: read right, or refused in one line."""

import numpy as np
import pytest
from builders import label_files as files

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.reader import read_labels


@pytest.fixture
def read(tmp_path):
    """Writes files, name -> text or bytes, and reads them together."""

    def write_and_read(recording='', **texts):
        paths = []
        for name, text in texts.items():
            path = tmp_path / name.replace('__', '.')
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            paths.append(path)
        return read_labels(paths, recording)

    return write_and_read


def at(series, *positions):
    return [None if np.isnan(v) else v for v in series.at(np.array(positions, float)).tolist()]


def test_elan_reference_tier_takes_the_times_of_its_parents(read):
    top = files.tier('speech', files.alignable('a1', 't1', 't2', 'hi'))
    tiers = files.tier('smile@1@anna', files.reference('a2', 'a1', 'high'), 'speech') + top
    found = read(a__eaf=files.elan_document({'t1': 1000, 't2': 2000}, tiers))
    assert at(found.get('anna', '1', 'smile'), 0.5, 1.0, 1.9, 2.1) == [0, 3, 3, 0]


def test_elan_children_of_one_parent_share_its_time_in_their_order(read):
    top = files.tier('speech', files.alignable('a1', 't1', 't2', 'hi'))
    children = files.reference('a3', 'a1', 'high', 'a2') + files.reference('a2', 'a1', 'low')
    found = read(
        a__eaf=files.elan_document({'t1': 1000, 't2': 3000}, top + files.tier('smile@1@a', children, 'speech'))
    )
    assert at(found.get('a', '1', 'smile'), 0.9, 1.1, 1.9, 2.1, 2.9, 3.0) == [0, 1, 1, 3, 3, 0]


def test_elan_annotations_without_own_times_are_spread_evenly(read):
    slots = {'t1': 1000, 't2': None, 't3': None, 't4': 4000}
    chain = (('t1', 't2', 'low'), ('t2', 't3', 'medium'), ('t3', 't4', 'high'))
    tiers = files.tier('smile@1@a', ''.join(files.alignable(f'a{i}', *each) for i, each in enumerate(chain)))
    found = read(a__eaf=files.elan_document(slots, tiers))
    assert at(found.get('a', '1', 'smile'), 0.9, 1.1, 1.9, 2.1, 2.9, 3.1, 3.9, 4.0) == [0, 1, 1, 2, 2, 3, 3, 0]


def test_elan_segment_whose_time_is_lost_is_unlabelled_and_not_neutral(read):
    slots = {'t1': 0, 't2': 1000, 't3': 3000, 't4': 2000, 't5': 5000, 't6': 6000}
    annotations = (('t1', 't2', 'low'), ('t3', 't4', 'high'), ('t5', 't6', 'low'))
    tiers = files.tier('smile@1@a', ''.join(files.alignable(f'a{i}', *each) for i, each in enumerate(annotations)))
    found = read(a__eaf=files.elan_document(slots, tiers))
    assert at(found.get('a', '1', 'smile'), 0.5, 1.5, 2.5, 3.5, 5.5) == [1, 0, None, 0, 1]
    assert 'not labelled' in found.notes[0]
    slots = {'t1': 0, 't2': 1000, 't3': None, 't4': None}
    annotations = (('t1', 't2', 'low'), ('t3', 't4', 'high'))
    tiers = files.tier('smile@1@a', ''.join(files.alignable(f'a{i}', *each) for i, each in enumerate(annotations)))
    found = read(b__eaf=files.elan_document(slots, tiers))
    assert at(found.get('a', '1', 'smile'), 0.5, 1.5, 9.0) == [1, None, None]


MEDIA = (
    '<MEDIA_DESCRIPTOR MEDIA_URL="file:///sound.wav" MIME_TYPE="audio/x-wav"/>'
    '<MEDIA_DESCRIPTOR MEDIA_URL="file:///a%20b.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="500"/>'
)


def test_elan_time_origin_is_that_of_the_evaluated_medium(read):
    tiers = files.tier('smile@1@a', files.alignable('a1', 't1', 't2', 'low'))
    document = files.elan_document({'t1': 1000, 't2': 2000}, tiers, MEDIA)
    found = read('videos/a b.mp4', a__eaf=document)
    assert at(found.get('a', '1', 'smile'), 1.4, 1.5, 2.4) == [0, 1, 1]
    assert found.notes == ()
    found = read('other.mp4', a__eaf=document)
    assert at(found.get('a', '1', 'smile'), 1.0, 1.9) == [1, 1]
    assert 'none of its media (sound.wav, a b.mp4) is named as other.mp4' in found.notes[0]


def test_elan_controlled_vocabulary_in_another_language_is_understood(read):
    vocabulary = (
        '<CONTROLLED_VOCABULARY CV_ID="levels"><CV_ENTRY_ML CVE_ID="c1"><CVE_VALUE LANG_REF="deu" DESCRIPTION="high">'
        'stark</CVE_VALUE></CV_ENTRY_ML></CONTROLLED_VOCABULARY>'
    )
    tiers = files.tier('smile@1@a', files.alignable('a1', 't1', 't2', 'stark', ' CVE_REF="c1"'))
    found = read(a__eaf=files.elan_document({'t1': 1000, 't2': 2000}, tiers, more=vocabulary))
    assert at(found.get('a', '1', 'smile'), 1.5) == [3]


@pytest.mark.parametrize(
    'text',
    [
        'smile@left@anna\t\t00:00:01.000\t1.0\t1000\t00:00:02.500\t2.5\t2500\t00:00:01.500\t1.5\t1500\tlow\n',
        'smile@left@anna\t\t1000\t2500\t1500\tlow\n',
        'smile@left@anna\t\t1.0\t2.5\tlow\n',
        '"#file:///a.eaf"\nTier\tBegin Time - ss.msec\tEnd Time - ss.msec\tAnnotation\n'
        'smile@left@anna\t1.0\t2.5\tlow\n',
        'Begin Time - msec\tEnd Time - msec\tDuration - msec\tsmile@left@anna\n1000\t2500\t1500\tlow\n',
    ],
)
@pytest.mark.parametrize('encoding', ['utf-8', 'utf-16', 'utf-16-le'])
def test_elan_tab_delimited_export_is_read(read, text, encoding):
    found = read(a__txt=text.encode(encoding))
    assert at(found.get('anna', 'left', 'smile'), 0.9, 1.0, 2.4, 2.6) == [0, 1, 1, 0]


@pytest.mark.parametrize('suffix', ['csv', 'txt', 'tsv'])
@pytest.mark.parametrize(
    'text',
    [
        'start;end;smile\n00:00:01,5;00:01:02;low\n',
        'start\tend\tsmile\n1,5\t62\tlow\n',
        'start,end,smile\n1.5,1:02,1\n',
    ],
)
def test_table_of_a_spreadsheet_is_read(read, text, suffix):
    found = read(**{f'a__{suffix}': text})
    assert at(found.get('a', '1', 'smile'), 1.4, 1.5, 61.9, 62.0) == [0, 1, 1, 0]


@pytest.mark.parametrize('encoding', ['cp1252', 'utf-16', 'utf-8-sig'])
def test_names_in_other_encodings_are_read(read, encoding):
    found = read(a__csv='start,end,smile,person\n1,2,low,Jürgen\n'.encode(encoding))
    assert found.people == ('Jürgen',)


@pytest.mark.parametrize('number', ['inf', '1e999', 'nan', '1_0', '0x1'])
def test_position_that_is_no_finite_number_is_refused(read, number):
    for text in (f'time,smile\n{number},low\n', f'start,end,smile\n0,{number},low\n', f'frame,smile\n{number},low\n'):
        with pytest.raises(ConfigError, match='line 2'):
            read(a__csv=text)
    with pytest.raises(ConfigError, match='wanted milliseconds'):
        read(a__eaf=files.elan_document({'t1': 0, 't2': number}, files.tier('smile@1@a', '')))
    with pytest.raises(ConfigError, match='two numbers'):
        read(a__txt=f'valence,arousal\n{number},0\n')


@pytest.mark.parametrize('number', ['inf', '1e999', '1_0'])
def test_value_that_is_no_finite_number_is_refused(read, number):
    for column in ('valence', 'smile_intensity', 'reaction_laugh'):
        with pytest.raises(ConfigError):
            read(a__csv=f'frame,valence,{column}2\n0,{number},0\n'.replace('valence,', f'{column},'))


@pytest.mark.parametrize('frame', ['-1', '2.5'])
def test_frame_that_is_no_whole_number_from_zero_is_refused(read, frame):
    with pytest.raises(ConfigError, match='whole number from 0'):
        read(a__csv=f'frame,smile\n{frame},low\n')


def test_openface_is_a_second_annotator_of_the_same_person(read):
    tool = files.openface_csv([(1, 0, 1, 2.5, 10), (2, 0, 0, 5.0, 10), (3, 0, 1, 5.0, 10)])
    found = read(a__csv='frame,smile,person,annotator\n0,low,left,anna\n', b__csv=tool)
    assert (found.people, found.annotators) == (('left',), ('anna', 'OpenFace'))
    assert at(found.get('OpenFace', 'left', 'smile_intensity'), 0, 1, 2, 3) == [0.5, None, 1, None]
    alone = read(b__csv=tool)
    assert alone.box('OpenFace 0').at(np.array([0.0])).tolist() == [[10, 20, 40, 40]]


def test_faces_of_openface_are_the_people_from_left_to_right(read):
    tool = files.openface_csv([(1, 0, 1, 5.0, 200), (1, 1, 1, 0.0, 10)])
    found = read(a__csv='frame,smile,person\n0,low,anna\n1,low,ben\n', b__csv=tool)
    assert at(found.get('OpenFace', 'anna', 'smile_intensity'), 0) == [0]
    assert at(found.get('OpenFace', 'ben', 'smile_intensity'), 0) == [1]


def test_pyfeat_gives_intensity_expression_and_boxes(read):
    rows = '10,20,40,40,0.9,0.75,0.1,0.8,0.1,clip.mp4,0\nnan,nan,nan,nan,nan,nan,nan,nan,nan,clip.mp4,1\n'
    found = read(a__csv=f'{files.PYFEAT_COLUMNS}\n{rows}')
    assert at(found.get('py-feat', 'py-feat 0', 'smile_intensity'), 0, 1) == [0.75, None]
    assert at(found.get('py-feat', 'py-feat 0', 'expression'), 0, 1) == [4, None]
    assert found.box('py-feat 0').at(np.array([0.0])).tolist() == [[10, 20, 40, 40]]
