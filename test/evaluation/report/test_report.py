"""A run against its labels: who is who, what is counted, and a page that opens anywhere."""

import json
import re
import resource
import signal
from html.parser import HTMLParser

import numpy as np
import pytest

pytest.importorskip('sklearn', reason='needs scikit-learn (pip install affect-perception[eval])')
pytest.importorskip('torchmetrics', reason='needs torchmetrics (pip install affect-perception[eval])')
pytest.importorskip('matplotlib', reason='needs matplotlib (pip install affect-perception[eval])')
pytest.importorskip('jinja2', reason='needs Jinja2 (pip install affect-perception[eval])')
pytest.importorskip('motmetrics', reason='needs motmetrics (pip install affect-perception[eval])')

from affect_perception.errors import AffectPerceptionError, ConfigError
from affect_perception.evaluation.labels.labels import read_labels
from affect_perception.evaluation.offline import runner
from affect_perception.evaluation.offline.comparison import compare
from affect_perception.evaluation.offline.runner import write_json
from affect_perception.evaluation.report.analysis import MODEL, analyse
from affect_perception.evaluation.report.data import NOBODY, make_run, match, parse_people, read_run
from affect_perception.evaluation.report.disagreements import disagreements
from affect_perception.evaluation.report.faces import Thumbnails
from affect_perception.evaluation.report.report import ReportOptions, Watcher
from affect_perception.runtime.files import LineFile
from affect_perception.settings import AffectSettings, TrackerSettings
from affect_perception.types import Affect, AffectFrame, Box, Frame

FPS = 10
SURE = {
    0: (0.97, 0.01, 0.01, 0.01),
    1: (0.01, 0.97, 0.01, 0.01),
    2: (0.01, 0.01, 0.97, 0.01),
    3: (0.01, 0.01, 0.01, 0.97),
}


def face(track_id: int, level: int, x: float = 0.0, valence: float = 0.1) -> Affect:
    return Affect(track_id, Box(x, 20, 40, 40), 0.9, SURE[level], level / 3, valence=valence, arousal=0.2)


def film(*tracks: tuple[int, float, list]) -> list[tuple[Frame, AffectFrame]]:
    """Frames in which each (track id, x, level per frame or None) is seen."""
    rng = np.random.default_rng(0)
    frames = []
    for i in range(len(tracks[0][2])):
        stamp = 50_000_000_000 + i * 10**9 // FPS
        faces = tuple(face(t, levels[i], x) for t, x, levels in tracks if levels[i] is not None)
        picture = rng.integers(0, 255, (120, 320, 3), dtype=np.uint8)
        frames.append((Frame(stamp, 'camera', picture), AffectFrame(stamp, 'camera', 'first', faces)))
    return frames


@pytest.fixture
def evaluated(tmp_path):
    """What `evaluate` does around a film of ours: its folder, watched and finished."""

    def run(frames, out='run', labels=(), sequence=True, **options):
        watcher = Watcher(ReportOptions(tuple(labels), command='affect-perception evaluate', **options), 'clip.mp4')
        folder = tmp_path / out
        folder.mkdir()
        with LineFile(folder / 'faces.csv') as table, LineFile(folder / 'tracks.txt') as tracks:
            table.rows([runner.COLUMNS])
            for index, (frame, seen) in enumerate(frames):
                table.rows(runner.row(index, seen, one) for one in seen.faces)
                tracks.write(''.join(runner.mot.line(index, one) for one in seen.faces))
                watcher.see(index, frame, seen)
        metrics = {'input': 'clip.mp4', 'version': '1', 'model': 'first', 'frames': len(frames)}
        metrics['frames_with_faces'] = sum(bool(seen.faces) for _, seen in frames)
        write_json(folder / 'metrics.json', metrics)
        settings = {'face_tracker_node': TrackerSettings(), 'affect_node': AffectSettings()}
        metrics |= watcher.finish(folder, metrics, sequence, settings)
        write_json(folder / 'metrics.json', metrics)
        return folder

    return run


@pytest.fixture
def labelled(tmp_path):
    def write(text: str, name: str = 'labels.csv'):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


SMILE = [0] * 20 + [2] * 20 + [0] * 20
CALM = [0] * 60
ANNA = 'start,end,smile,person,annotator\n2,4,medium,a,anna\n2.5,4,low,a,ben\n1,2,low,b,anna\n'


def analysed(folder, labels, people=''):
    run, read = read_run(folder), read_labels([labels])
    return analyse(run, read, match(run, read, parse_people(people)))


def test_perfect_run_scores_one(evaluated, labelled):
    found = analysed(evaluated(film((7, 0, SMILE))), labelled('start,end,smile\n2,4,medium\n'))
    smile = found.metrics['smile'][MODEL]
    assert (smile['kappa']['value'], smile['accuracy']['value'], smile['kappa_segments']['value']) == (1, 1, 1)
    assert smile['onset_delay_s'] == {
        'median': 0, 'quartiles': [0, 0], 'matched': 1, 'onsets': 1, 'smiling_already': 0
    }  # fmt: skip
    assert found.metrics['labels']['people'] == {'1': [7]}


def test_people_without_boxes_are_matched_from_left_to_right(evaluated, labelled):
    folder = evaluated(film((5, 200, SMILE), (9, 10, CALM)))
    assert analysed(folder, labelled(ANNA)).metrics['labels']['people'] == {'a': [9], 'b': [5]}


def test_map_says_who_is_who_across_changed_ids(evaluated, labelled):
    changed = [None] * 30
    folder = evaluated(film((5, 200, SMILE[:30] + changed), (8, 200, changed + SMILE[30:]), (9, 10, CALM)))
    found = analysed(folder, labelled(ANNA), 'a=5+8,b=9')
    assert found.metrics['labels']['people'] == {'a': [5, 8], 'b': [9]}
    assert found.metrics['smile'][MODEL]['people'][0]['kappa'] == 1


def test_labels_with_boxes_follow_the_person_when_the_id_changes(evaluated, labelled):
    lines = ['frame,person,smile,x,y,width,height']
    lines += [f'{i},a,{level},201,20,40,40' for i, level in enumerate(SMILE)]
    changed = [None] * 30
    folder = evaluated(
        film((5, 200, SMILE[:30] + changed), (8, 200, changed + SMILE[30:]), (9, 10, CALM)),
        labels=[labelled('\n'.join(lines))],
    )
    metrics = json.loads((folder / 'metrics.json').read_text())
    assert metrics['labels']['people'] == {'a': [5, 8]}
    assert metrics['smile'][MODEL]['kappa']['value'] == 1
    assert metrics['ids']['switches'] == 1


def test_frames_without_the_face_are_counted_and_left_out(evaluated, labelled):
    found = analysed(
        evaluated(film((1, 0, [None] * 15 + SMILE[15:]))), labelled('start,end,smile\n2,4,medium\n')
    ).metrics
    assert (found['smile']['frames'], found['smile']['frames_without_face']) == (45, 15)


def test_every_annotator_is_compared_with_the_first(evaluated, labelled):
    found = analysed(evaluated(film((1, 0, SMILE), (2, 200, CALM))), labelled(ANNA)).metrics
    assert found['labels']['reference'] == 'anna'
    assert found['smile']['ben']['confusion'][2] == [5, 15, 0, 0]
    assert set(found['smile']['kappa_between']) == {'anna', 'ben', MODEL}
    assert found['smile'][MODEL]['accuracy']['interval'] is not None


def test_disagreements_are_listed_by_length(evaluated, labelled):
    analysis = analysed(evaluated(film((1, 0, SMILE))), labelled('start,end,smile\n1.5,3.2,medium\n'))
    assert [(round(d.start_s, 3), d.reference, d.model) for d in disagreements(analysis)] == [
        (3.2, 'neutral', 'medium'),
        (1.5, 'medium', 'neutral'),
    ]


def test_valence_is_compared_as_a_number(evaluated, labelled):
    text = 'frame,valence\n' + ''.join(f'{i},0.4\n' for i in range(60))
    found = analysed(evaluated(film((1, 0, CALM))), labelled(text)).metrics['valence'][MODEL]
    assert found['rmse']['value'] == pytest.approx(0.3)
    assert found['frames'] == 60


def test_labels_outside_the_recording_are_said(evaluated, labelled):
    folder = evaluated(film((1, 0, SMILE)))
    notes = analysed(folder, labelled('start,end,smile\n2,4,medium\n100,101,low\n')).notes
    assert notes == ['1 of the 2 labels by labels lie outside the recording, which is 5.9 s long']
    text = 'frame,smile\n' + ''.join(f'{i},low\n' for i in range(500, 510))
    found = analysed(folder, labelled(text))
    assert found.metrics['smile']['frames'] == 0
    assert any('10 of the 10 labels' in note for note in found.notes)


def test_labelled_person_whom_no_track_matches_is_said(evaluated, labelled):
    folder = evaluated(film((1, 0, SMILE)))
    assert any("'b' of the labels" in note for note in analysed(folder, labelled(ANNA)).notes)
    with pytest.raises(ConfigError, match=r'no labelled person \(a, b\) has a face.*tracks there: 1.*--people'):
        analysed(folder, labelled(ANNA), 'a=4')
    with pytest.raises(ConfigError, match='names carl; the labels are of a, b'):
        analysed(folder, labelled(ANNA), 'carl=1')


@pytest.mark.parametrize('text', ['a', 'a=', 'a=x', '=1', 'a=1+'])
def test_map_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match='PERSON=TRACK'):
        parse_people(text)


def test_labels_are_refused_before_the_work(labelled):
    with pytest.raises(ConfigError, match="unknown smile 'grin'"):
        Watcher(ReportOptions((labelled('start,end,smile\n0,1,grin\n'),)), 'clip.mp4')
    with pytest.raises(ConfigError, match='--labels'):
        Watcher(ReportOptions(people='a=1'), 'clip.mp4')


class Links(HTMLParser):
    """Everything that a browser would fetch, and every tag that is not closed."""

    def __init__(self, page: str):
        super().__init__()
        self.fetched, self.open, self.seen = [], [], set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.seen.add(tag)
        if tag not in ('meta', 'img', 'br', 'link', 'input'):
            self.open.append(tag)
        for name, value in attributes:
            if name in ('src', 'href', 'xlink:href') and not value.startswith(('data:', '#')):
                self.fetched.append(value)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def page_of(folder):
    return (folder / 'report.html').read_text()


def test_page_needs_no_other_file_and_says_how_it_was_made(evaluated, labelled):
    page = page_of(evaluated(film((1, 0, SMILE), (2, 200, CALM)), labels=[labelled(ANNA)]))
    links = Links(page)
    assert links.fetched == []
    assert links.open == []
    assert not links.seen & {'script', 'link', 'iframe'}
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
    page = page_of(evaluated(film((4, 0, SMILE), (2, 200, CALM))))
    assert 'id 4' in page
    assert 'smiles most often in person 4 (33% of the frames' in page


def test_page_about_nobody_is_a_page(evaluated):
    assert '0 track ids' in page_of(evaluated(film((1, 0, [None] * 5))))


def test_names_in_labels_cannot_break_the_page(evaluated, labelled):
    text = 'start,end,smile,person,annotator\n2,4,medium,<b>&$x,"<script>alert(1)</script>"\n'
    page = page_of(evaluated(film((1, 0, SMILE)), labels=[labelled(text)]))
    assert '<script' not in page
    assert Links(page).open == []


def test_no_faces_leaves_every_picture_out(evaluated):
    frames = film((1, 0, SMILE))
    assert 'data:image/jpeg' in page_of(evaluated(frames, 'with'))
    assert 'data:image' not in page_of(evaluated(frames, 'without', faces=False))


def test_same_run_gives_the_same_page(evaluated, labelled):
    labels = [labelled(ANNA)]
    frames = film((1, 0, SMILE), (2, 200, CALM))
    assert page_of(evaluated(frames, 'one', labels)) == page_of(evaluated(frames, 'two', labels))


def test_thumbnails_are_of_the_peaks_and_a_second_apart():
    thumbnails = Thumbnails()
    for frame, seen in film((1, 0, [0] * 10 + [3] * 15 + [0] * 10 + [2] * 5 + [0] * 20)):
        thumbnails.see(frame, seen)
    smiles = [t for t in thumbnails.of([1]) if t.kind == 'smile']
    assert len(smiles) == 3
    assert max(t.value for t in smiles) == 1
    assert min(np.diff([t.stamp_s for t in smiles])) >= 1
    assert all(len(t.jpeg) < 8000 for t in smiles)


def test_runs_are_compared_side_by_side_on_new_labels(evaluated, labelled, tmp_path):
    good, bad = evaluated(film((1, 0, SMILE)), 'good'), evaluated(film((1, 0, [0] * 30 + SMILE[:30])), 'bad')
    found = compare([good, bad], tmp_path / 'both', ReportOptions((labelled('start,end,smile\n2,4,medium\n'),)))
    kappas = [run['smile'][MODEL]['kappa']['value'] for run in found['runs'].values()]
    assert kappas[0] == 1 > kappas[1]
    assert found['differences']['bad']['smile']['kappa']['value'] == pytest.approx(kappas[1] - 1)
    page = page_of(tmp_path / 'both')
    assert Links(page).open == []
    assert 'good against bad' in page


def test_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(ConfigError, match='holds no finished evaluation'):
        compare([tmp_path], tmp_path / 'out', ReportOptions())


def test_full_disk_leaves_the_tables_whole(evaluated, tmp_path):
    folder = evaluated(film((1, 0, SMILE)))
    table, old = (folder / 'faces.csv').read_bytes(), page_of(folder)
    watcher = Watcher(ReportOptions(), 'clip.mp4')
    for index, (frame, seen) in enumerate(film((1, 0, SMILE))):
        watcher.see(index, frame, seen)
    metrics = json.loads((folder / 'metrics.json').read_text())
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, limit[1]))
        with pytest.raises(AffectPerceptionError, match=r'report.html cannot be written'):
            watcher.finish(folder, metrics, True, {'affect_node': AffectSettings()})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert (folder / 'faces.csv').read_bytes() == table
    assert page_of(folder) == old


def test_faceless_frames_have_no_row(evaluated, labelled):
    run = read_run(evaluated(film((1, 0, [None, 0, 1]))))
    rows = match(run, read_labels([labelled('frame,smile\n0,low\n')]), {}).rows['1']
    assert rows.tolist() == [NOBODY, 0, 1]


def test_expressions_are_compared_where_labels_and_model_know_them(labelled):
    names = ('neutral', 'happiness', 'contempt')
    table = {name: [0.0] * 4 for name in (*runner.COLUMNS[3:8], *runner.COLUMNS[9:], *names)}
    table |= {'frame': [0, 1, 2, 3], 'track_id': [1] * 4, 'smile_level': ['neutral'] * 4}
    table |= {'neutral': [0.9, 0.8, 0.2, 0.7], 'happiness': [0.1, 0.1, 0.8, 0.2], 'contempt': [0.0, 0.1, 0.0, 0.1]}
    run = make_run('m', [(i, i / 10, '') for i in range(4)], table, names, True)
    lines = 'Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other\n0\n4\n4\n1\n'  # anger: the model knows none
    labels = read_labels([labelled(lines, 'clip.txt')])
    found = analyse(run, labels, match(run, labels, {})).metrics['expression']
    assert found['classes'] == list(names)
    assert found[MODEL]['confusion'] == [[1, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert found[MODEL]['accuracy']['value'] == pytest.approx(2 / 3, abs=1e-6)


def test_pictures_of_strangers_are_compared_without_an_order_in_time(evaluated, labelled):
    frames = film((1, 0, [0, 2]))
    folder = evaluated(frames, labels=[labelled('frame,person,smile\n0,ann,neutral\n1,bob,low\n')], sequence=False)
    found = json.loads((folder / 'metrics.json').read_text())
    assert found['labels']['matched'] == 'the largest face of each picture'
    assert found['smile'][MODEL]['accuracy']['value'] == 0.5
    assert 'onset_delay_s' not in found['smile'][MODEL]
    assert 'Frame by frame' not in page_of(folder)


def test_times_on_the_page_count_from_the_first_frame(evaluated):
    assert 'at 50' not in page_of(evaluated(film((1, 0, SMILE))))  # the film is stamped from 50 s on
