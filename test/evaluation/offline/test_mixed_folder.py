"""A folder of mixed files: every given file has one row in files.csv and metrics.json, and is named at the terminal."""

import csv
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from builders.bags import shades, write_bag2
from builders.heif import heic
from builders.images import jpeg
from builders.media import pictures, portrait, write_media

from affect_perception.cli import main
from affect_perception.core.images import heif
from affect_perception.runtime.files import text_of_name

FLAGS = ['--detector', 'dlib_hog', '--reid', 'off', '--no-align', '--no-faces']


def write_mixed(folder: Path) -> None:
    """Thirty files: images of many kinds and names, a clip, a bag, and what is none of these."""
    rgb = portrait()
    for name in ('1.jpg', '2.JPG', '10.jpg', 'no suffix', 'wrong.mp4.png', 'André.jpg', 'a b\n%d.jpg'):
        (folder / name).write_bytes(jpeg(rgb))
    Path(os.fsdecode(os.fsencode(folder) + b'/Zo\xeb.jpg')).write_bytes(jpeg(rgb))
    for name, bits in (('8.png', 8), ('10.png', 10), ('12.tif', 12), ('16.png', 16)):
        cv2.imwrite(str(folder / name), rgb[..., ::-1].astype(np.uint16) << (bits - 8))
    for suffix in ('.bmp', '.webp', '.ppm'):
        cv2.imwrite(str(folder / f'photo{suffix}'), rgb[..., ::-1])
    (folder / 'photo.heic').write_bytes(heic(rgb, 128))
    clip = write_media(folder / 'clip.footage.mp4', pictures(4))
    clip.rename(Path(os.fsdecode(os.fsencode(folder) + b'/clip\xeb.footage')))
    bag = write_bag2(folder / 'bag', {'/image': shades(2)})
    next(bag.glob('*.mcap')).rename(folder / 'walk.mcap')
    for file in bag.iterdir():
        file.unlink()
    bag.rmdir()
    for name in ('._1.jpg', '._clip.mov', '.DS_Store'):
        (folder / name).write_bytes(b'\0\5\x16\7' + bytes(100))
    (folder / 'notes.txt').write_text('words')
    (folder / 'list.csv').write_text('a,b\n')
    (folder / 'archive.zip').write_bytes(b'PK\3\4' + bytes(300))
    (folder / 'empty.jpg').write_bytes(b'')
    (folder / 'empty.mp4').write_bytes(b'')
    (folder / 'short.jpg').write_bytes(jpeg(rgb)[:900])
    (folder / 'broken.mp4').write_bytes(b'\0\0\0\x18ftypisom' + bytes(2000))
    (folder / 'page.html').write_text('<html></html>')
    (folder / 'below').mkdir()
    (folder / 'below' / 'list.txt').write_text('words')


@pytest.fixture(scope='module')
def result(tmp_path_factory):
    """(given folder, folder of the results, exit status, output)."""
    given, out = tmp_path_factory.mktemp('given') / 'mixed', tmp_path_factory.mktemp('out')
    given.mkdir()
    write_mixed(given)
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr('builtins.print', lambda *text, **_: lines.append(' '.join(map(str, text))))
        status = main(['evaluate', str(given), '--out', str(out), *FLAGS])
    return given, out, status, '\n'.join(lines)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / 'files.csv').open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_every_file_has_one_row_in_both_tables(result):
    given, out, status, _ = result
    names = sorted(text_of_name(p.relative_to(given)) for p in given.rglob('*') if p.is_file())
    assert len(names) == 30
    table = rows(out)
    assert sorted(row['file'].removeprefix('mixed/') for row in table) == names
    metrics = json.loads((out / 'metrics.json').read_text())
    assert metrics['files'] == table
    assert (metrics['inputs'], metrics['failed'], status) == (4, 1, 1)


def test_what_can_be_read_is_read_and_the_rest_has_a_reason(result):
    _, out, _, _ = result
    status = {row['file'].removeprefix('mixed/'): row['status'] for row in rows(out)}
    read = {'clipë.footage', 'walk.mcap', '1.jpg', '2.JPG', '10.jpg', 'no suffix', 'wrong.mp4.png', 'André.jpg'}
    read |= {'Zoë.jpg', 'a b\n%d.jpg', '8.png', '10.png', '12.tif', '16.png', 'photo.bmp', 'photo.webp', 'photo.ppm'}
    read |= {'photo.heic'} if heif._has_heif() else set()
    assert {name for name, word in status.items() if word == 'read'} == read
    assert {name for name, word in status.items() if word == 'failed'} >= {'short.jpg', 'broken.mp4'}
    assert all(row['reason'] for row in rows(out) if row['status'] != 'read')


def test_what_was_left_out_is_told_at_the_terminal_and_in_the_report(result):
    _, out, _, output = result
    for name in ('notes.txt', 'list.csv', 'archive.zip', 'empty.jpg', 'short.jpg', 'broken.mp4', 'below/list.txt'):
        assert name in output
    assert '3 hidden files' in output
    assert 'Traceback' not in output
    page = (out / 'mixed' / 'report.html').read_text()
    assert 'notes.txt' in page or 'files.csv lists them' in page
