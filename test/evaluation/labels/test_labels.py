"""Labels of every kind of file in one form, and the error texts for unusable ones."""

import numpy as np
import pytest

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.labels.series import Labels, Series, add_smile_levels


def eaf(tiers, medium='<MEDIA_DESCRIPTOR MEDIA_URL="file:///clip.mp4" MIME_TYPE="video/mp4"/>'):
    """An ELAN document; tiers are (attributes, [(start ms, end ms, value)])."""
    slots, texts, count = '', '', 0
    for attributes, segments in tiers:
        annotations = ''
        for start, end, value in segments:
            slots += ''.join(
                f'<TIME_SLOT TIME_SLOT_ID="ts{count + i}" TIME_VALUE="{ms}"/>' for i, ms in enumerate((start, end))
            )
            annotations += (
                f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{count}" TIME_SLOT_REF1="ts{count}" '
                f'TIME_SLOT_REF2="ts{count + 1}"><ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>'
                '</ALIGNABLE_ANNOTATION></ANNOTATION>'
            )
            count += 2
        texts += f'<TIER {attributes} LINGUISTIC_TYPE_REF="level">{annotations}</TIER>'
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT AUTHOR="kim" FORMAT="3.0">'
        f'<HEADER TIME_UNITS="milliseconds">{medium}</HEADER><TIME_ORDER>{slots}</TIME_ORDER>{texts}'
        '</ANNOTATION_DOCUMENT>'
    )


@pytest.fixture
def labels(tmp_path):
    """Writes a file and reads it."""

    def read(name: str, text: str) -> Labels:
        (tmp_path / name).write_text(text)
        return read_labels([tmp_path / name])

    return read


def at(series: Series, *positions: float) -> list:
    return [None if np.isnan(v) else v for v in series.at(np.array(positions, float)).tolist()]


def test_elan_tier_named_for_quantity_person_and_annotator(labels):
    found = labels('a.eaf', eaf([('TIER_ID="smile@left@anna"', [(1000, 2000, 'low'), (2000, 3000, 'High')])]))
    assert at(found.get('anna', 'left', 'smile'), 0.5, 1.0, 1.99, 2.0, 2.99, 3.0) == [0, 1, 1, 3, 3, 0]
    assert found.notes == ()


def test_elan_tier_takes_person_and_annotator_from_its_attributes(labels):
    found = labels('a.eaf', eaf([('TIER_ID="Smile" PARTICIPANT="P7" ANNOTATOR="ben"', [(0, 500, 'medium')])]))
    assert (found.people, found.annotators, found.quantities) == (('P7',), ('ben',), ('smile',))
    found = labels('b.eaf', eaf([('TIER_ID="smile"', [(0, 500, 'medium')])]))
    assert (found.people, found.annotators) == (('1',), ('kim',))


def test_first_annotator_is_the_reference_whatever_the_file(labels, tmp_path):
    labels('b.csv', 'start,end,smile,annotator\n0,1,low,zoe\n')
    labels('a.eaf', eaf([('TIER_ID="smile@1@anna"', [(0, 500, 'medium')])]))
    assert read_labels([tmp_path / 'b.csv', tmp_path / 'a.eaf']).annotators == ('zoe', 'anna')


def test_time_origin_of_the_medium_shifts_the_segments(labels):
    medium = '<MEDIA_DESCRIPTOR MEDIA_URL="clip.mp4" MIME_TYPE="video/mp4" TIME_ORIGIN="500"/>'
    found = labels('a.eaf', eaf([('TIER_ID="smile@1@anna"', [(1000, 2000, 'low')])], medium))
    assert at(found.get('anna', '1', 'smile'), 1.4, 1.5, 2.4) == [0, 1, 1]


def test_elan_document_without_media_is_read_with_a_note(labels):
    found = labels('a.eaf', eaf([('TIER_ID="smile@1@anna"', [(0, 500, 'low')])], medium=''))
    assert 'names no medium' in found.notes[0]


def test_overlapping_segments_end_where_the_next_begins(labels):
    found = labels('a.eaf', eaf([('TIER_ID="smile@1@anna"', [(0, 2000, 'low'), (1000, 3000, 'high')])]))
    assert at(found.get('anna', '1', 'smile'), 0.9, 1.0, 2.5) == [1, 3, 3]
    assert '1 segments overlap, the first at 1.00 s' in found.notes[0]


def test_empty_tier_is_not_annotated_and_others_still_count(labels):
    tiers = [('TIER_ID="smile@1@anna"', []), ('TIER_ID="smile@2@anna"', [(0, 500, 'low')])]
    found = labels('a.eaf', eaf(tiers))
    assert found.people == ('2',)
    assert 'smile@1@anna' in found.notes[0]
    with pytest.raises(ConfigError, match='no labelled tier'):
        labels('b.eaf', eaf(tiers[:1]))


def test_tier_of_something_else_is_left_out(labels):
    found = labels('a.eaf', eaf([('TIER_ID="words"', [(0, 9, 'hi')]), ('TIER_ID="smile@1@a"', [(0, 9, 'low')])]))
    assert "'words' names no quantity" in found.notes[0]


def test_gaps_are_neutral_unless_neutral_is_marked_itself(labels):
    found = labels('a.csv', 'start,end,smile,person\n1,2,low,a\n1,2,low,b\n2,3,neutral,b\n')
    assert at(found.get('a', 'a', 'smile'), 0.5, 1.5, 2.5) == [0, 1, 0]
    assert at(found.get('a', 'b', 'smile'), 0.5, 1.5, 2.5) == [None, 1, 0]


def test_subtle_smiles_are_left_out_as_in_the_paper(labels):
    found = labels('a.csv', 'start,end,smile\n1,2,subtle\n2,3,low\n')
    assert at(found.get('a', '1', 'smile'), 0.5, 1.5, 2.5) == [0, None, 1]


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        (
            'a.eaf',
            eaf([('TIER_ID="smile@1@a"', [(1000, 2000, 'lo')])]),
            r"tier 'smile@1@a', at 1\.00 s: .*'lo'.*medium",
        ),
        ('a.eaf', '<ANNOTATION_DOCUMENT>', 'cannot be read as an ELAN document'),
        ('a.eaf', '<html/>', 'its root is html'),
        ('a.csv', 'start,end,smile\n0,1,grin\n', "line 2: unknown smile 'grin'"),
        ('a.csv', 'start,end,smile\n2,1,low\n', 'ends at 1 s, before it begins'),
        ('a.csv', 'start,end,smile\n0,x,low\n', "end is 'x'"),
        ('a.csv', 'start,end,smile\n0,1\n', '2 fields; the header has 3'),
        ('a.csv', 'frame,valence\n0,1.5\n', 'wanted a number in -1 to 1'),
        ('a.csv', 'frame,smile\n0,low\n0,high\n', 'is there already'),
        ('a.csv', 'frame,happy\n0,1\n', 'wanted start and end'),
        ('a.csv', 'frame,smile\n', 'only a header'),
        ('a.csv', '', 'columns none'),
        ('a.txt', 'hello\n', 'as in Aff-Wild2'),
        ('a.txt', 'valence,arousal\n0.1,0.2\n0.1\n', 'line 3'),
        ('a.txt', 'Neutral,Anger,Disgust\n7\n', 'wanted -1 or 0 to 2'),
        ('a.doc', '', 'is no label file'),
    ],
)
def test_unusable_label_is_refused_with_its_place(labels, name, text, message):
    with pytest.raises(ConfigError, match=message):
        labels(name, text)


def test_frames_by_number_time_and_file(labels):
    found = labels('a.csv', 'frame,smile,valence\n3,low,0.5\n4,2,\n')
    assert at(found.get('a', '1', 'smile'), 2, 3, 4, 5) == [None, 1, 2, None]
    assert at(found.get('a', '1', 'valence'), 3, 4) == [0.5, None]
    found = labels('b.csv', 'time,smile\n0.0,low\n0.1,high\n')
    assert at(found.get('b', '1', 'smile'), 0.04, 0.06, 0.14, 0.2) == [1, 3, 3, None]
    found = labels('c.csv', 'file,smile\nx.png,low\ny.png,high\n')
    assert found.get('c', '1', 'smile').at(np.array(['y.png', 'z.png']))[0] == 3


def test_faces_csv_of_a_run_can_be_corrected_and_serve_as_labels(labels):
    found = labels('faces.csv', 'frame,stamp,track_id,x,y,width,height,smile_level\n0,12.5,4,1,2,30,40,high\n')
    assert at(found.get('faces', '4', 'smile'), 12.5) == [3]
    np.testing.assert_array_equal(found.box('4').at(np.array([12.5])), [[1, 2, 30, 40]])


def test_affwild2_counts_frames_and_leaves_out_what_is_not_labelled(labels):
    found = labels('clip_left.txt', 'valence,arousal\n0.1,-0.2\n-5,-5\n0.3,0.4\n')
    assert found.people == ('left',)
    assert at(found.get('Aff-Wild2', 'left', 'valence'), 0, 1, 2, 3) == [0.1, None, 0.3, None]
    found = labels('clip.txt', 'Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n4\n-1\n0\n')
    assert at(found.get('Aff-Wild2', '1', 'expression'), 0, 1, 2) == [4, None, 0]


def test_folder_of_labels_gives_those_of_the_recording(tmp_path):
    for name in ('one_left.txt', 'one_right.txt', 'two.txt'):
        (tmp_path / name).write_text('valence,arousal\n0,0\n')
    assert read_labels([tmp_path], 'videos/one.mp4').people == ('left', 'right')
    with pytest.raises(ConfigError, match='no labels for three'):
        read_labels([tmp_path], 'three.mp4')


def test_same_labels_twice_are_refused(labels, tmp_path):
    labels('a.csv', 'start,end,smile,annotator\n0,1,low,zoe\n')
    with pytest.raises(ConfigError, match="'zoe' labels smile of person '1' twice"):
        read_labels([tmp_path / 'a.csv', tmp_path / 'a.csv'])


def test_intensities_are_levels_too(labels):
    found = add_smile_levels(labels('a.csv', 'frame,smile_intensity\n0,0.1\n1,0.3\n2,0.9\n'))
    assert at(found.get('a', '1', 'smile'), 0, 1, 2) == [0, 1, 3]
