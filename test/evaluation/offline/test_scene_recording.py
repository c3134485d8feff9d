"""The built-in scene as a labelled recording: its files hold the ground truth of the scene."""

import csv

import numpy as np

from affect_perception.evaluation.labels.reader import read_labels
from affect_perception.evaluation.offline.scene_recording import scene_labels, write_recording
from affect_perception.settings import SourceSettings
from affect_perception.sources.scene.scene import Scene


def test_scene_labels_equal_its_ground_truth(tmp_path):
    settings = SourceSettings(width=320, height=180, fps=10.0, scene_people=2)
    made = write_recording(tmp_path, settings, 3.0)
    read = read_labels([tmp_path / 'scene.csv', tmp_path / 'scene.eaf'])
    scene = Scene(320, 180, 10.0, people=2)
    truth = scene_labels(scene, 30)
    times = np.arange(30) / 10
    assert made['frames'] == 30
    assert read.annotators[0] == 'truth'
    for person in ('person1', 'person2'):
        for quantity in ('smile', 'smile_intensity'):
            a, b = (one.get('truth', person, quantity).at(times) for one in (read, truth))
            np.testing.assert_allclose(a, b, atol=1e-4)
        np.testing.assert_allclose(read.box(person).at(times), truth.box(person).at(times), atol=0.01)
    with (tmp_path / 'scene.csv').open() as file:
        first = next(csv.DictReader(file))
    assert first['person'] == 'person1'
