"""Hostile texts, values and edits of valid files, for the fuzz of readers (fuzz.py)."""

import math
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from builders.label_files import alignable, elan_document, openface_csv, tier
from hypothesis import strategies as st

FOLDER = Path(tempfile.mkdtemp(prefix='fuzz-'))
HOSTILE = (
    'nan', 'inf', '-inf', '1e999', '-1', '0', '²', '٣', '9' * 5000, '', ' ', '"', "'", '\0', '\r', '\n', ',', ';', '\t',
    '[]', '{}', 'null', 'true', '[' * 2000, '{"a":' * 500, '../..', '\u202e', 'a b', '//', '&lol;', '<![CDATA[', '%s',
    'encoding="PAL"', 'encoding="shift_jis"', 'TIME_VALUE="abc"', '2147483648', '1e308', '-0.0', '0x10', '1_000',
)  # fmt: skip
hostile_text = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=20))
numbers = st.one_of(
    st.integers(-(2**70), 2**70), st.integers(-3, 700), st.floats(), st.sampled_from([10**400, math.inf, math.nan])
)
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, hostile_text),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(hostile_text, inner, max_size=4)),
    max_leaves=8,
)


PIECES = [text.encode(errors='replace') for text in HOSTILE]
EDITS, EDIT_BYTES = 5, 16


def edit(original: bytes, script: bytes) -> bytes:
    """`original` with up to five pieces replaced, removed, doubled or inserted, as the bytes of `script` say."""
    data = bytearray(original)
    for i in range(script[0] % (EDITS + 1)):
        at, length, kind = struct.unpack_from('>HBB', script, 2 + i * EDIT_BYTES)
        own = script[6 + i * EDIT_BYTES : 6 + i * EDIT_BYTES + kind % 13]
        at %= len(data) + 1
        if kind >= 240:
            own = bytes(data[at : at + 3 * length])
        data[at : at + length % 13] = own if kind >= 120 else PIECES[kind % len(PIECES)]
    return bytes(data[: script[1] * len(data) // 256] if script[0] >= 230 else data)


SCRIPT = 2 + EDITS * EDIT_BYTES


def edited(original: bytes) -> st.SearchStrategy[bytes]:
    """Edits of `original`, each of one draw: hypothesis takes two milliseconds for a case of twenty draws."""
    return st.binary(min_size=SCRIPT, max_size=SCRIPT).map(lambda script: edit(original, script))


def one_of_files(*originals: bytes) -> st.SearchStrategy[bytes]:
    return st.one_of(*[edited(original) for original in originals], st.binary(max_size=200))


def edited_at_random(*originals: bytes) -> Callable[[random.Random], bytes]:
    """Generator of the cases of `one_of_files` without hypothesis: ten times as many in the same time, none shrunk."""
    return lambda dice: edit(dice.choice(originals), dice.randbytes(SCRIPT))


def file(name: str, data: bytes) -> Path:
    path = FOLDER / name
    path.write_bytes(data)
    return path


def picture(suffix: str) -> bytes:
    rgb = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)
    return bytes(cv2.imencode(suffix, rgb)[1])


ELAN = elan_document({'a': 0, 'b': 900}, tier('smile@left@anna', alignable('x', 'a', 'b', 'high'))).encode()
CSVS = (
    b'frame,person,smile\n0,1,0.5\n1,1,high\n',
    b'time;person;smile\n0,1;anna;2\n00:00:01;anna;3\n',
    b'file,smile\n1.jpg,0.5\n',
)
TOOL = openface_csv([(1, 0, 1, 2.5, 10.0), (2, 0, 0, 0.0, 12.0)]).encode()
AFFWILD = b'valence,arousal\n0.1,0.2\n-5,-5\n'
TRUTH = b'1,1,10,10,20,20,1,1,1\n2,1,11,10,20,20,0,1,1\n'


YAML = (
    b'# settings\nmodel: smile_va\nsteps: 10\nlearning_rate: 1e-3\nsets: {lfw: [1, 2]}\nout: &a /tmp/x\nagain: *a\n',
    b'image_width: 640\nimage_height: 480\ncamera_matrix: {rows: 3, cols: 3, data: [1, 0, 320, 0, 1, 240, 0, 0, 1]}\n'
    b'distortion_coefficients: {rows: 1, cols: 5, data: [0, 0, 0, 0, 0]}\ndistortion_model: plumb_bob\n',
)
FACES = (
    b'frame,stamp,track_id,x,y,width,height,confidence,smile_level,smile_intensity,p_neutral,p_low,p_medium,p_high,'
    b'valence,arousal,anger,speaking\n0,0.0,1,1,2,3,4,0.9,low,0.2,0.1,0.7,0.1,0.1,0.2,0.3,0.4,0.5\n'
)
PORTRAITS = b'file,person,expression,split,intensity\na.jpg,p,neutral,test,\nb.jpg,p,happy,test,0.1 0.5 0.9\n'
METRICS = b'{"model": "smile_va", "sequence": true, "time_zero": 0.0}'
