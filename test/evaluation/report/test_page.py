"""report.html: one page that opens anywhere, thumbnails, refusals before the work."""

import re
import resource
import signal

import numpy as np
import pytest
from builders.evaluation import CALM, SMILE, TWO_ANNOTATORS, PageTags, metrics_of, page_of, scripted_frames

from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.evaluation.report.report import ReportCollector, ReportOptions
from affect_perception.evaluation.report.thumbnails import Thumbnails
from affect_perception.settings import AffectSettings


def test_unusable_labels_are_refused_before_the_work(labelled):
    with pytest.raises(ConfigError, match="unknown smile 'grin'"):
        ReportCollector(ReportOptions((labelled('start,end,smile\n0,1,grin\n'),)), 'clip.mp4')
    with pytest.raises(ConfigError, match='--labels'):
        ReportCollector(ReportOptions(people='a=1'), 'clip.mp4')


def test_page_needs_no_other_file_and_holds_command_and_settings(evaluated, labelled):
    page = page_of(evaluated(scripted_frames((1, 0, SMILE), (2, 200, CALM)), labels=[labelled(TWO_ANNOTATORS)]))
    tags = PageTags(page)
    assert tags.fetched == []
    assert tags.open == []
    assert not tags.seen & {'script', 'link', 'iframe'}
    assert not re.search(r'url\((?!#)|@import', page)
    for text in (
        'affect-perception evaluate',
        'sha256',
        '&#34;detect_every&#34;: 10',
        'anna',
        'by recall',
        'κ per frame',
    ):
        assert text in page
    assert page.count('<svg') >= 10
    assert '<?xml' not in page


def test_page_without_labels_shows_everybody(evaluated):
    page = page_of(evaluated(scripted_frames((4, 0, SMILE), (2, 200, CALM))))
    assert 'id 4' in page
    assert 'person 4 smiles most often (33% of the frames' in page


def test_page_without_faces_is_a_page(evaluated):
    assert '0 track ids' in page_of(evaluated(scripted_frames((1, 0, [None] * 5))))


def test_names_in_labels_cannot_break_the_page(evaluated, labelled):
    text = 'start,end,smile,person,annotator\n2,4,medium,<b>&$x,"<script>alert(1)</script>"\n'
    page = page_of(evaluated(scripted_frames((1, 0, SMILE)), labels=[labelled(text)]))
    assert '<script' not in page
    assert PageTags(page).open == []


def test_no_faces_leaves_every_picture_out(evaluated):
    frames = scripted_frames((1, 0, SMILE))
    assert 'data:image/jpeg' in page_of(evaluated(frames, 'with'))
    assert 'data:image' not in page_of(evaluated(frames, 'without', faces=False))


def test_same_run_gives_the_same_page(evaluated, labelled):
    labels = [labelled(TWO_ANNOTATORS)]
    frames = scripted_frames((1, 0, SMILE), (2, 200, CALM))
    assert page_of(evaluated(frames, 'one', labels)) == page_of(evaluated(frames, 'two', labels))


def test_thumbnails_are_of_the_peaks_and_a_second_apart():
    thumbnails = Thumbnails()
    for frame, affect in scripted_frames((1, 0, [0] * 10 + [3] * 15 + [0] * 10 + [2] * 5 + [0] * 20)):
        thumbnails.add_frame(frame, affect)
    smiles = [t for t in thumbnails.of([1]) if t.kind == 'smile']
    assert len(smiles) == 3
    assert max(t.value for t in smiles) == 1
    assert min(np.diff([t.stamp_s for t in smiles])) >= 1
    assert all(len(t.jpeg) < 8000 for t in smiles)


def test_full_disk_leaves_tables_and_old_page_whole(evaluated, tmp_path):
    folder = evaluated(scripted_frames((1, 0, SMILE)))
    table, old = (folder / 'faces.csv').read_bytes(), page_of(folder)
    collector = ReportCollector(ReportOptions(), 'clip.mp4')
    for index, (frame, affect) in enumerate(scripted_frames((1, 0, SMILE))):
        collector.add_frame(index, frame, affect)
    metrics = metrics_of(folder)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limit[1]))
        with pytest.raises(AffectPerceptionError, match=r'report.html cannot be written'):
            collector.write(folder, metrics, True, {'affect_node': AffectSettings()})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert (folder / 'faces.csv').read_bytes() == table
    assert page_of(folder) == old


def test_times_on_the_page_count_from_the_first_frame(evaluated):
    assert 'at 50' not in page_of(evaluated(scripted_frames((1, 0, SMILE))))  # the frames are stamped from 50 s on
