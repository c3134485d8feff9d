"""Readers of what others made, each with a generator of hostile input: files, messages, headers, settings.

A case is a call of one of TARGETS with a generated input. It may return or raise an AffectPerceptionError; anything
else is a fault of ours. Inputs: fuzz_inputs.py, readers: fuzz_readers.py.
"""

import random
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from builders import fuzz_readers as readers
from builders.fuzz_inputs import (
    AFFWILD,
    CSVS,
    ELAN,
    FACES,
    METRICS,
    PORTRAITS,
    SCRIPT,
    TOOL,
    TRUTH,
    YAML,
    edit,
    edited,
    edited_at_random,
    file,
    hostile_text,
    json_values,
    one_of_files,
    picture,
)  # fmt: skip
from hypothesis import strategies as st

from affect_perception.core import message_readers
from affect_perception.core.images.compressed import FILES, decode_compressed
from affect_perception.core.images.encodings import to_rgb
from affect_perception.errors import AffectPerceptionError
from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.metrics import mot
from affect_perception.sources.folder import natural_sort_key
from affect_perception.training.settings import load_settings

Target = tuple[st.SearchStrategy[Any], Callable[[Any], object]]
TARGETS: dict[str, Target] = {}
AT_RANDOM: dict[str, Callable[[random.Random], Any]] = {}  # the cases of a long run, where they are bytes


def target(name: str, cases: st.SearchStrategy[Any], read: Callable[[Any], object]) -> None:
    TARGETS[name] = cases, read


def files_target(name: str, originals: tuple[bytes, ...], read: Callable[[bytes], object]) -> None:
    """Target of a reader of bytes: edits of `originals`."""
    TARGETS[name] = one_of_files(*originals), read
    AT_RANDOM[name] = edited_at_random(*originals)


PICTURES = tuple(map(picture, ('.png', '.jpg', '.bmp', '.webp', '.tiff', '.ppm')))
files_target('elan', (ELAN,), lambda data: read_labels([file('x.eaf', data)]))
files_target('csv labels', CSVS, lambda data: read_labels([file('x.csv', data)]))
files_target('openface', (TOOL,), lambda data: read_labels([file('o.csv', data)]))
files_target('aff-wild2', (AFFWILD,), lambda data: read_labels([file('x.txt', data)]))
files_target('truth', (TRUTH,), lambda data: mot.read_truth(file('gt.txt', data)))
files_target('pictures', PICTURES, lambda data: decode_compressed(data, accepted=FILES))
files_target('streamed pictures', PICTURES[:2], decode_compressed)
files_target('bags', (readers.mcap(),), readers.bag_images)
files_target('bag metadata', (readers.METADATA,), lambda data: readers.bag_images(readers.mcap(), data))
files_target('training files', YAML, lambda data: load_settings(file('x.yaml', data)))
files_target('calibrations', YAML, readers.read_calibration)
files_target('sound files', (readers.wav(),), readers.hear)
files_target('portraits', (PORTRAITS,), readers.read_portraits)
target(
    'results', st.tuples(edited(FACES), edited(b'frame,stamp,file\n0,0.0,a\n'), edited(METRICS)), readers.read_results
)
target('sources', hostile_text, readers.read_address)
target('jpeg stream', st.lists(one_of_files(picture('.jpg')), max_size=4), readers.split)
target('image messages', readers.image_fields, lambda fields: message_readers.frame_from_msg(readers.message(fields)))
target(
    'raw images', readers.image_fields, lambda f: to_rgb(f['data'], f['width'], f['height'], f['step'], f['encoding'])
)
target('depth messages', readers.image_fields, readers.read_depth)
target(
    'camera_info', readers.camera_fields, lambda fields: message_readers.intrinsics_from_msg(SimpleNamespace(**fields))
)
target('page options', json_values.map(repr) | hostile_text, readers.page_options)
target('requests', st.tuples(hostile_text, hostile_text, hostile_text), readers.check_request)
target(
    'diagnostics',
    st.dictionaries(st.sampled_from(['frames_dropped', 'rate_hz']), hostile_text, max_size=2),
    readers.show,
)
target('settings', readers.settings_of_a_node(), readers.set_all)
target('checkpoints', readers.checkpoint_header(), readers.load_checkpoint)
target('file names', hostile_text, natural_sort_key)
target('bag messages', st.tuples(edited(readers.DEFINITION.encode()), st.binary(max_size=60)), readers.decode_message)
AT_RANDOM['jpeg stream'] = lambda dice: [AT_RANDOM['streamed pictures'](dice) for _ in range(dice.randrange(4))]
AT_RANDOM['results'] = lambda dice: tuple(
    edit(original, dice.randbytes(SCRIPT)) for original in (FACES, b'frame,stamp,file\n0,0.0,a\n', METRICS)
)
AT_RANDOM['bag messages'] = lambda dice: (
    edit(readers.DEFINITION.encode(), dice.randbytes(SCRIPT)),
    dice.randbytes(dice.randrange(60)),
)


def run(target: str, given: Any) -> None:
    """One case; errors of the user are no fault."""
    try:
        TARGETS[target][1](given)
    except AffectPerceptionError as error:
        if not str(error):
            raise ValueError('an error without a text') from error
