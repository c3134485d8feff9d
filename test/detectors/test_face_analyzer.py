"""Face analysis with dlib's networks: embeddings of the requested faces, and settings without the weights."""

import csv

import cv2
import numpy as np
import pytest

from affect_perception.core.boxes import boxes_to_rows
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.types import Box, DetectionRequest, Frame


@pytest.fixture(scope='module')
def embedder():
    pytest.importorskip('torch')
    pytest.importorskip('dlib')
    from affect_perception.detectors.dlib.embedding import FaceEmbedder

    try:
        return FaceEmbedder()
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.mark.data
def test_portraits_of_one_person_are_nearer_than_the_set_distance_and_those_of_others_are_not(embedder, data):
    from affect_perception.sources.scene.portraits import hog_box

    rows = list(csv.DictReader((data / 'london' / 'index.csv').open()))[:16]
    found = []
    for row in rows:
        rgb = cv2.cvtColor(cv2.imread(str(data / 'london' / row['file'])), cv2.COLOR_BGR2RGB)
        found.append(embedder(rgb, [hog_box(rgb, Box(0, 0, 1, 1))])[0])
    persons = np.array([row['person'] for row in rows])
    distances = np.linalg.norm(np.array(found)[:, None] - np.array(found)[None], axis=2)
    same = persons[:, None] == persons[None]
    assert distances[same].max() < TrackerSettings().reid_distance < distances[~same].min()


def test_requested_faces_are_embedded_inline_and_asynchronously(embedder):
    from affect_perception.detectors.async_detector import AsyncDetector
    from affect_perception.detectors.face_analyzer import make_face_analyzer

    rgb = pytest.importorskip('skimage.data').astronaut()
    frame, made = Frame(0, 'camera', rgb), make_face_analyzer(TrackerSettings(detector='dlib_hog', reid='on'))
    inline = made.analyze(DetectionRequest(frame))
    assert inline.embeddings.shape == (len(inline.detections), 128)
    assert np.isfinite(inline.embeddings).any(axis=1).sum() >= 1
    assert abs(inline.rolls[0]) < 0.2
    known = boxes_to_rows([d.box for d in inline.detections])
    request = DetectionRequest(frame, known, np.zeros(len(known), bool))
    assert not np.isfinite(made.analyze(request).embeddings).any()
    detector = AsyncDetector(made)
    detector.submit(DetectionRequest(frame))
    np.testing.assert_array_equal(detector.collect(wait=True).embeddings, inline.embeddings)
    detector.close()


def test_without_weights_reid_on_is_refused_and_auto_goes_without(monkeypatch, caplog):
    pytest.importorskip('dlib')
    from affect_perception.detectors import face_analyzer
    from affect_perception.detectors.dlib import embedding, landmarks

    def missing(path, file):
        raise ConfigError(f'{file} is not installed')

    monkeypatch.setattr(embedding, 'weights_path', missing)
    monkeypatch.setattr(landmarks, 'weights_path', missing)
    with pytest.raises(ConfigError, match='reid = on: '):
        face_analyzer.make_face_analyzer(TrackerSettings(detector='dlib_hog', reid='on'))
    made = face_analyzer.make_face_analyzer(TrackerSettings(detector='dlib_hog'))
    said = ' '.join(record.getMessage() for record in caplog.records if 'face_analyzer' in record.name)
    assert 'not aligned' in said
    assert 'get a new id' in said
    found = made.analyze(DetectionRequest(Frame(0, 'camera', np.zeros((200, 200, 3), np.uint8))))
    assert (found.embeddings, found.rolls) == (None, None)
