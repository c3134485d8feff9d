"""Unusable inputs and outputs are told before network and detector are imported, in one line, with exit status 2."""

import json
import subprocess
import sys

import pytest
from builders.media import pictures, write_media

_ALL = """
import contextlib, io, json, sys
from affect_perception.cli import main
for argv in json.loads(sys.argv[1]):
    with contextlib.redirect_stderr(io.StringIO()) as told:
        status = main(argv)
    late = {'torch', 'rclpy', 'sklearn', 'pandas', 'dlib'} & sys.modules.keys()
    print(json.dumps([status, told.getvalue(), sorted(late)]))
"""


CASES = [
    ('evaluate misspelt.mp4 --out out', "no file or folder 'misspelt.mp4'"),
    ('evaluate notes.txt --out out', 'notes.txt is text; wanted an image, a video or a bag'),
    ('evaluate clip.mp4 --out notes.txt', 'cannot write to notes.txt'),
    ('evaluate clip.mp4 --out out --labels none.csv', 'no label file none.csv'),
    ('evaluate clip.mp4 --out out --labels levels.csv', "line 2: unknown smile 'gigantic'"),
    ('evaluate clip.mp4 --out out --labels taken', 'no labels for clip.mp4 in taken'),
    ('evaluate two --out out --labels taken', 'in taken; wanted a.eaf'),
    ('evaluate clip.mp4 --out out --truth none.txt', 'none.txt cannot be read'),
    ('evaluate clip.mp4 --out out --truth notes.txt', "'words' is no track"),
    ('evaluate clip.mp4 --out out --audio none.wav', "no file or folder 'none.wav'"),
    ('compare nowhere --out out', "no file or folder 'nowhere'"),
    ('scene --out notes.txt', 'cannot write to notes.txt'),
    ('prepare csv nowhere out', "no file or folder 'nowhere'"),
    ('train none.yaml', "no file or folder 'none.yaml'"),
    ('run --source misspelt.mp4', "no file or folder 'misspelt.mp4'"),
    ('run --source notes.txt', 'notes.txt is text'),
    ('run --source camera:97', 'there is no camera 97'),
    ('run --source gopher://anna:pass@host/a', "no scheme 'gopher' in 'gopher://***@host/a'"),
    ('run --source topic:/a//b', "'/a//b' is no name of a topic"),
    ('run --source clip.mp4 --record taken', 'taken exists already; give another --record'),
    ('run --source clip.mp4 --record notes.txt/bag', 'cannot write notes.txt/bag'),
    ('run --source clip.mp4 --audio-file clip.mp4', 'clip.mp4 exists already; give another --audio-file'),
]


@pytest.fixture(scope='module')
def place(tmp_path_factory):
    """Folder with a clip and files that are of no use."""
    folder = tmp_path_factory.mktemp('place')
    write_media(folder / 'clip.mp4', pictures(3))
    (folder / 'notes.txt').write_text('words')
    (folder / 'levels.csv').write_text('start,end,smile\n1,2,gigantic\n')
    (folder / 'taken').mkdir()
    (folder / 'two').mkdir()
    for name in ('a.mp4', 'b.mp4'):
        (folder / 'two' / name).write_bytes((folder / 'clip.mp4').read_bytes())
    return folder


@pytest.fixture(scope='module')
def told(place):
    """Exit status, text on stderr and modules imported too early of every command line, run in one process."""
    argvs = json.dumps([argv.split() for argv, _ in CASES])
    found = subprocess.run([sys.executable, '-c', _ALL, argvs], cwd=place, capture_output=True, text=True, timeout=120)
    lines = found.stdout.strip().splitlines()
    assert len(lines) == len(CASES), found.stderr
    return dict(zip((argv for argv, _ in CASES), map(json.loads, lines), strict=True))


@pytest.mark.parametrize(('argv', 'says'), CASES)
def test_what_cannot_be_used_is_told_before_anything_is_loaded(told, place, argv, says):
    status, text, late = told[argv]
    assert (status, late) == (2, [])
    assert len(text.strip().splitlines()) == 1, text
    assert says in text
    assert not (place / 'out' / 'faces.csv').exists()
