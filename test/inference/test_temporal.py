"""Temporal networks live: state per track, gaps from stamps, outputs equal to those of the whole sequence."""

import numpy as np
import pytest
import torch

from affect_perception.inference.engine import AffectEngine
from affect_perception.models import MODELS, checkpoint
from affect_perception.models.smile_va import EXPRESSIONS, USUAL_GAP_S, SmileVa
from affect_perception.models.witzig2019 import Witzig2019
from affect_perception.settings import AffectSettings
from affect_perception.types import Box, Track, TrackedFrame

SECOND = 1_000_000_000
FRAME = SECOND // 30


def random_smile_va() -> SmileVa:
    model = SmileVa(channels=(8, 12, 16, 20), blocks=(1, 1, 1, 1), hidden=16)
    for linear in (model.head.linear, model.temporal_head):
        torch.nn.init.normal_(linear.weight, std=3.0)
    return model


def random_witzig2019() -> Witzig2019:
    model = Witzig2019(width=1 / 16, hidden=16)
    for module in model.cnn:
        if isinstance(module, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(module.weight)
    torch.nn.init.normal_(model.head.weight, std=3.0)
    return model


TEMPORAL = {'smile_va': random_smile_va, 'witzig2019': random_witzig2019}


def saved(name: str, folder) -> str:
    torch.manual_seed(5)
    checkpoint.save(folder / f'{name}.safetensors', TEMPORAL[name](), name, crop_size=96, crop_margin=0.15)
    return str(folder / f'{name}.safetensors')


@pytest.fixture(scope='module')
def weights(tmp_path_factory) -> str:
    return saved('smile_va', tmp_path_factory.mktemp('weights'))


def test_every_network_with_an_over_time_of_its_own_is_tested_here():
    assert {name for name, model in MODELS.items() if 'over_time' in vars(model)} == TEMPORAL.keys()


def engine_of(weights: str, **settings) -> AffectEngine:
    return AffectEngine(AffectSettings(model=weights, device='cpu', threads=1, **settings))


def crop(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (96, 96, 3), np.uint8)


def frame(stamp_ns: int, **crops: np.ndarray) -> TrackedFrame:
    tracks = tuple(Track(int(name[1:]), Box(10, 20, 30, 40), 0.8, 0.1, picture) for name, picture in crops.items())
    return TrackedFrame(stamp_ns, 'camera', 640, 480, tracks)


def intensities(engine: AffectEngine, frames: list[TrackedFrame]) -> list[dict[int, float]]:
    return [{face.track_id: face.smile_intensity for face in engine.step(f).faces} for f in frames]


def whole_sequence(weights: str, crops: list[np.ndarray], gaps_s: list[float]) -> np.ndarray:
    """Intensities of a sequence processed at once, with the network as it was trained."""
    model = checkpoint.load(weights).model
    with torch.inference_mode():
        embeddings = torch.cat([model.features(model.preprocess(torch.from_numpy(c[None]))) for c in crops])
        output, _ = model.over_time(embeddings[None], torch.tensor([gaps_s], dtype=torch.float32))
    return output.intensity[0].numpy()


@pytest.mark.parametrize('backend', ['torch', 'fixed'])
@pytest.mark.parametrize('name', TEMPORAL)
def test_frame_by_frame_equals_the_whole_sequence_for_tracks_that_start_pause_skip_and_end(
    name, backend, tmp_path, monkeypatch
):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    weights = saved(name, tmp_path)
    engine = engine_of(weights, backend=backend)
    stamps = [i * FRAME + (SECOND if i > 6 else 0) for i in range(30)]  # everything stands still for a second
    seen = {1: range(30), 2: range(3, 9), 3: [0, 2, 5, 6, 7, 11, 29]}
    frames = [
        frame(stamp, **{f't{t}': crop(100 * t + i) for t, when in seen.items() if i in when})
        for i, stamp in enumerate(stamps)
    ]
    tolerance = 1e-4 if backend == 'torch' else 1e-3  # other backends round differently
    live = intensities(engine, frames)
    for track, when in seen.items():
        times = [stamps[i] * 1e-9 for i in when]
        gaps = [USUAL_GAP_S, *np.diff(times)]
        offline = whole_sequence(weights, [crop(100 * track + i) for i in when], gaps)
        assert [live[i][track] for i in when] == pytest.approx(offline, abs=tolerance)
    groups = [frames[:1], frames[1:8], [], frames[8:]]
    engine.reset()
    for said, frame_by_frame in zip([f for g in groups for f in engine.sequence(g)], live, strict=True):
        assert {face.track_id: face.smile_intensity for face in said.faces} == pytest.approx(
            frame_by_frame, abs=tolerance
        )


def test_earlier_frames_change_the_output(weights):
    fresh, used = engine_of(weights), engine_of(weights)
    used.step(frame(0, t1=crop(8)))
    (now,), (alone,) = used.step(frame(FRAME, t1=crop(9))).faces, fresh.step(frame(FRAME, t1=crop(9))).faces
    assert abs(now.smile_intensity - alone.smile_intensity) > 1e-4


def test_the_gap_before_a_frame_changes_the_output(weights):
    readings = []
    for gap in (FRAME, SECOND):
        engine = engine_of(weights)
        engine.step(frame(0, t1=crop(8)))
        readings.append(engine.step(frame(gap, t1=crop(9))).faces[0].smile_intensity)
    assert abs(readings[0] - readings[1]) > 1e-5


def test_every_head_reaches_the_result(weights):
    engine = engine_of(weights)
    (face,) = engine.step(frame(0, t1=crop(1))).faces
    assert engine.expression_labels == EXPRESSIONS == engine.step(frame(1)).expression_labels
    assert sum(face.expression_probabilities) == pytest.approx(1, abs=1e-5)
    assert -1 <= face.valence <= 1
    assert -1 <= face.arousal <= 1
    assert 0 < face.confidence < 1
    assert face.confidence != pytest.approx(0.8)


def test_a_stamp_before_the_last_one_resets_all_tracks(weights):
    engine = engine_of(weights)
    (first,) = engine.step(frame(5 * SECOND, t1=crop(1))).faces
    engine.step(frame(6 * SECOND, t1=crop(2)))
    (again,) = engine.step(frame(1 * SECOND, t1=crop(1))).faces
    assert again.smile_intensity == pytest.approx(first.smile_intensity, abs=1e-6)
    assert again.evidence_frames == 1


def test_calibration_takes_the_next_seconds_of_the_tracks_present_as_neutral(weights):
    engine = engine_of(weights, neutral_seconds=0.5)
    plain = engine_of(weights)
    engine.calibrate_neutral()
    frames = [frame(i * FRAME, t1=crop(3)) for i in range(30)]
    adjusted, read = intensities(engine, frames), intensities(plain, frames)
    assert adjusted[0][1] == read[0][1] > 0.02
    assert adjusted[-1][1] < 0.3 * read[-1][1]
    (face,) = engine.step(frame(30 * FRAME, t1=crop(3))).faces
    assert face.smile_level == 0
    assert sum(face.smile_probabilities) == pytest.approx(1, abs=1e-5)


def test_cameras_share_a_batch_and_no_state(weights):
    together, left, right = (engine_of(weights) for _ in range(3))
    for i in range(4):
        a, b = frame(i * FRAME, t1=crop(i), t2=crop(50 + i)), frame(9 * SECOND + i * FRAME, t1=crop(100 + i))
        both = together.steps({'left': a, 'right': b})
        for name, alone in (('left', left.step(a)), ('right', right.step(b))):
            assert [f.smile_intensity for f in both[name].faces] == pytest.approx(
                [f.smile_intensity for f in alone.faces], abs=1e-5
            )
            assert both[name].stamp_ns == alone.stamp_ns
            assert both[name].faces[0].evidence_frames == i + 1


def test_a_camera_without_faces_does_not_stop_the_others(weights):
    both = engine_of(weights).steps({'left': frame(0), 'right': frame(5, t3=crop(1))})
    assert both['left'].faces == ()
    assert both['right'].faces[0].smile_intensity > 0


def test_reset_drops_the_state_of_all_tracks(weights):
    engine = engine_of(weights)
    (first,) = engine.step(frame(0, t1=crop(1))).faces
    engine.step(frame(FRAME, t1=crop(2)))
    engine.reset()
    (again,) = engine.step(frame(2 * FRAME, t1=crop(1))).faces
    assert again.smile_intensity == pytest.approx(first.smile_intensity, abs=1e-6)
    assert again.evidence_frames == 1
