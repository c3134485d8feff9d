"""Engine without ROS: batches, stamps and ids of results, unreadable faces, evidence frames, device and threads."""

import dataclasses
import logging
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from builders.inference import SmileScore, frame_by_frame

from affect_perception.errors import ConfigError
from affect_perception.inference.engine import AffectEngine
from affect_perception.settings import AffectSettings
from affect_perception.types import Box, SmileLevel, Track, TrackedFrame

SECOND = 1_000_000_000


@pytest.fixture(scope='module')
def weights(tmp_path_factory) -> Iterator[str]:
    """A checkpoint of a network without memory whose outputs differ from face to face."""
    with pytest.MonkeyPatch.context() as patch:
        yield frame_by_frame(tmp_path_factory.mktemp('weights'), patch)


@pytest.fixture
def engine(weights) -> AffectEngine:
    return AffectEngine(AffectSettings(model=weights, device='cpu', threads=1))


def face(track_id: int, side: int = 96) -> Track:
    crop = np.random.default_rng(track_id).integers(0, 255, (side, side, 3), np.uint8)
    return Track(track_id, Box(10, 20, 30, 40), 0.8, 0.1, crop, position=(0.1, 0.2, 1.5))


def frame(*tracks: Track, stamp_ns: int = 0) -> TrackedFrame:
    return TrackedFrame(stamp_ns, 'camera', 640, 480, tracks)


@pytest.mark.parametrize('faces', [0, 1, 7, 200])
def test_a_batch_of_faces_gives_the_outputs_of_each_face_alone(engine, faces):
    tracks = [face(i, side=(96, 96, 64, 33, 128)[i % 5]) for i in range(faces)]
    together = engine.step(frame(*tracks)).faces
    alone = [engine.step(frame(track)).faces[0] for track in tracks]
    assert [f.track_id for f in together] == [t.track_id for t in tracks]
    for a, b in zip(together, alone, strict=True):
        assert a.smile_probabilities == pytest.approx(b.smile_probabilities, abs=1e-5)
        assert a.smile_intensity == pytest.approx(b.smile_intensity, abs=1e-5)
    if faces > 1:
        assert len({round(f.smile_intensity, 6) for f in together}) > faces / 2


def test_a_result_carries_the_time_and_the_track_of_its_face(engine):
    track = face(5)
    result = engine.step(frame(track, stamp_ns=42))
    (affect,) = result.faces
    assert (result.stamp_ns, result.frame_id, result.model) == (42, 'camera', 'random')
    assert (affect.track_id, affect.box, affect.confidence, affect.position) == (5, track.box, 0.8, track.position)
    assert 0 <= affect.smile_intensity <= 1
    assert sum(affect.smile_probabilities) == pytest.approx(1)
    assert math.isnan(affect.valence)
    assert math.isnan(affect.arousal)
    assert result.expression_labels == result.reaction_labels == ()


def test_black_white_tiny_and_empty_crops_do_not_crash(engine):
    crops = [np.zeros((96, 96, 3), np.uint8), np.full((1, 1, 3), 255, np.uint8), np.zeros((0, 0, 3), np.uint8)]
    black, tiny, empty = engine.step(frame(*(dataclasses.replace(face(i), crop=c) for i, c in enumerate(crops)))).faces
    assert black.smile_level in (0, 1, 2, 3)
    assert tiny.smile_level in (0, 1, 2, 3)
    assert empty.smile_level == SmileLevel.UNKNOWN


def test_an_output_with_nan_makes_the_level_unknown(engine, monkeypatch):
    forward = SmileScore.forward

    def broken(head, embedding):
        output = forward(head, embedding)
        output.levels[0] = math.nan
        return output

    monkeypatch.setattr(SmileScore, 'forward', broken)
    lost, fine = engine.step(frame(face(0), face(1))).faces
    assert lost.smile_level == SmileLevel.UNKNOWN
    assert math.isnan(lost.smile_intensity)
    assert fine.smile_level != SmileLevel.UNKNOWN


def test_evidence_counts_the_frames_of_each_track(engine):
    first = [engine.step(frame(face(1), stamp_ns=i)).faces[0].evidence_frames for i in range(3)]
    both = [f.evidence_frames for f in engine.step(frame(face(1), face(2), stamp_ns=3)).faces]
    assert first == [1, 2, 3]
    assert both == [4, 1]


def test_evidence_forgets_a_track_that_was_away_for_more_than_ten_seconds(engine):
    engine.step(frame(face(1)))
    (kept,) = engine.step(frame(face(1), stamp_ns=9 * SECOND)).faces
    for second in (15, 20):
        engine.step(frame(stamp_ns=second * SECOND))
    (forgotten,) = engine.step(frame(face(1), stamp_ns=21 * SECOND)).faces
    assert (kept.evidence_frames, forgotten.evidence_frames) == (2, 1)


def test_evidence_starts_anew_when_time_runs_backwards(engine):
    for stamp in (5, 6):
        engine.step(frame(face(1), stamp_ns=stamp * SECOND))
    assert engine.step(frame(face(1), stamp_ns=1 * SECOND)).faces[0].evidence_frames == 1


def test_a_device_that_is_unknown_is_refused(weights):
    for device in ('tpu', 'gpu0', '', 'meta'):
        with pytest.raises(ConfigError, match=f'no device {device!r}; choose auto, cpu'):
            AffectEngine(AffectSettings(model=weights, device=device))


def test_cuda_where_it_is_absent_is_refused_and_auto_takes_the_cpu(weights, monkeypatch, caplog):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    for device in ('cuda', 'cuda:1'):
        with pytest.raises(ConfigError, match='absent'):
            AffectEngine(AffectSettings(model=weights, device=device))
    with caplog.at_level(logging.INFO):
        engine = AffectEngine(AffectSettings(model=weights, device='auto'))
    assert engine.device == 'cpu'
    assert 'on cpu' in caplog.text


def test_an_unknown_model_is_refused_at_once():
    with pytest.raises(ConfigError, match="no model 'vgg'"):
        AffectEngine(AffectSettings(model='vgg'))


def test_the_threads_setting_is_applied(weights):
    before = torch.get_num_threads()
    try:
        AffectEngine(AffectSettings(model=weights, device='cpu', backend='torch', threads=2))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
