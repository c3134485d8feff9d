"""Expressions and reactions as text, in markers and in annotated images."""

import dataclasses
import math

import numpy as np

from affect_perception.core.display.annotation import annotated
from affect_perception.core.display.captions import readings, strongest
from affect_perception.core.display.markers import FaceMarkers, assumed_intrinsics, caption
from affect_perception.settings import MarkerSettings
from affect_perception.types import Affect, AffectFrame, Box

NAN = math.nan
BOX = Box(60, 60, 60, 60)
EXPRESSIONS, REACTIONS = ('anger', 'happiness'), ('amusement', 'empathic_pain', 'fear')


def face(expressions=(0.2, 0.8), reactions=(0.3, 0.6, 0.05), box=BOX) -> Affect:
    return Affect(3, box, 0.9, (NAN,) * 4, NAN, expression_probabilities=expressions, reaction_intensities=reactions)


def test_the_likeliest_expression_and_the_strongest_reactions_are_named():
    assert readings(face(), EXPRESSIONS, REACTIONS) == ['happiness 0.80', 'empathic pain 0.60  amusement 0.30']
    assert readings(face(reactions=(0.01, 0.02, 0.03)), (), REACTIONS) == ['fear 0.03']


def test_unknown_values_and_labels_of_another_number_name_nothing():
    assert readings(face((NAN, NAN), ()), EXPRESSIONS, REACTIONS) == []
    assert strongest(('one',), (0.1, 0.2)) == []


def test_markers_show_the_names_of_the_model():
    text = caption(face(), EXPRESSIONS, REACTIONS)
    assert text.splitlines() == ['3  :-?', 'happiness 0.80', 'empathic pain 0.60  amusement 0.30']
    markers = FaceMarkers(MarkerSettings())
    shapes, _ = markers.step([face()], 1, assumed_intrinsics(640, 480, 60.0), EXPRESSIONS, REACTIONS)
    assert [shape.text for shape in shapes if shape.part == 'text'] == [text]


def differences(box: Box, **known) -> np.ndarray:
    """Mask of the pixels that the names of expression and reactions change."""
    grey = np.full((200, 320, 3), 128, np.uint8)
    plain = annotated(grey, AffectFrame(0, '', 'm', (face(box=box),)))
    named = annotated(grey, AffectFrame(0, '', 'm', (face(box=box),), **known))
    return (plain != named).any(2)


def test_annotated_images_name_expression_and_reactions_inside_the_image():
    labels = {'expression_labels': EXPRESSIONS, 'reaction_labels': REACTIONS}
    changed = differences(BOX, **labels)
    assert changed[:60].any()  # the first line replaces the emoticon of an unknown smile
    assert changed[120:].any()  # the others stand below the box
    at_the_edge = differences(Box(280, 60, 40, 60), **labels)
    columns = np.flatnonzero(at_the_edge[:60].any(0))
    assert columns.min() < 280  # moved to the left, so that the text ends inside
    assert not differences(BOX).any()


def test_a_speaker_is_named_in_markers_and_in_images():
    silent, speaker = (dataclasses.replace(face(), speaking=value) for value in (0.2, 0.9))
    assert caption(speaker, (), ()).splitlines()[0] == '3  :-?  speaks'
    assert 'speaks' not in caption(silent, (), ())
    grey = np.full((200, 200, 3), 90, np.uint8)
    pictures = [annotated(grey, AffectFrame(0, '', 'm', (one,))) for one in (face(), silent, speaker)]
    np.testing.assert_array_equal(pictures[0], pictures[1])
    assert (pictures[2] != pictures[1]).any()
