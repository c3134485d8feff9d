"""`affect-perception bench ids`: identity preservation of the tracker on scripted scenes, scored by py-motmetrics.

Two scenes per seed: `busy`, 8 people who cross, occlude each other, leave and return; and `visitors`, three groups of 8
in turns, with newcomers after others left and many returns. Ids are compared per person, not per stay. A face counts
while at least half of it is visible; tracks on other faces are ignored.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from affect_perception.cli.flags import add_flags, settings_of
from affect_perception.core.boxes import boxes_to_rows, inside_share, iou
from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.detectors.face_analyzer import FaceAnalyzer, make_face_analyzer
from affect_perception.errors import ConfigError
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson, busy_script, standing_positions
from affect_perception.types import DetectionResult, Track

WIDTH, HEIGHT, FPS, PEOPLE = 1280, 720, 30, 8
SAME_FACE_IOU = 0.5
AWAY_S = 5.0  # a person who was outside the image for this long returns
_SHOWN, _OUT = 0.5, 0.05  # visible share from which a face counts, and up to which it is outside the image
_WALK_S = 1.8  # to a position, and out of the image
_SWAP_S = 1.0  # an id that moves from one visible person to another within this time was swapped
_NO_EFFECT = (  # settings of topics, crops and the detector's process; `--late` is the detector's delay here
    *('image_topic', 'image_transport', 'reliable_images', 'depth_topic', 'camera_info_topic', 'depth_slop_s'),
    *('crop_size', 'crop_margin', 'align', 'detect_inline', 'detect_beside'),
)
_SHOWN_FLAGS = ('detect_every', 'detect_exhaustive', 'detect_smallest_px', 'reid', 'reid_distance')


@dataclass(frozen=True, eq=False)
class TrackedScene:
    """One tracked scene: accumulator of motmetrics, and per frame and person, (F, P) bool, visible and outside."""

    scene: str
    seed: int
    accumulator: Any
    shown: np.ndarray
    out: np.ndarray


def scenes(seed: int, portraits: str) -> dict[str, Callable[[], Scene]]:
    """Constructors of the scenes of a seed, by name."""

    def make(script: Script) -> Scene:
        return Scene(WIDTH, HEIGHT, FPS, len(script.people), seed, portraits, script=script)

    return {
        'busy': lambda: make(busy_script(PEOPLE, WIDTH / HEIGHT, seed)),
        'visitors': lambda: make(visitors_script(PEOPLE, WIDTH / HEIGHT, seed)),
    }


def visitors_script(people: int, aspect: float, seed: int, turn_s: float = 7.5) -> Script:
    """Script of three groups of `people` in turns; the first group comes twice, to other positions."""
    rng = np.random.default_rng((seed, 7))
    places, cast = standing_positions(people, aspect), []
    turns = (0, 1, 0, 2)  # which group
    seats = [rng.permutation(people) for _ in turns]
    for number in range(3 * people):
        keys = []
        for turn in (i for i, group in enumerate(turns) if group == number // people):
            place = places[seats[turn][number % people]]
            outside = -1.7 * place.size / aspect if place.x < 0.5 else 1 + 1.7 * place.size / aspect
            here = KeyPose(0, place.x, place.y, place.size, float(rng.uniform(-15, 15)), float(rng.uniform(-7, 7)))
            away = replace(here, x=outside)
            above = replace(away, y=-1.0)  # from there to another side without crossing the image
            start, end = turn * turn_s + rng.uniform(0.2, 1.2), (turn + 1) * turn_s - rng.uniform(0.2, 1.0)
            keys += [replace(pose, t_s=t) for t, pose in ((start - 0.1, above), (start, away), (start + _WALK_S, here))]
            keys += [replace(pose, t_s=t) for t, pose in ((end - _WALK_S, here), (end, away), (end + 0.1, above))]
        row = places[seats[turns.index(number // people)][number % people]].row
        cast.append(ScriptedPerson(number, tuple(keys), depth=row + rng.uniform()))
    return Script(tuple(cast), len(turns) * turn_s)


def track_scene(
    name: str, scene: Scene, seed: int, analyzer: FaceAnalyzer, settings: TrackerSettings, frames: int, late: int
) -> TrackedScene:
    """Track the first `frames` of a scene; each detection result arrives `late` frames after its image."""
    tracker = FaceTracker(settings)
    waiting: tuple[int, DetectionResult] | None = None
    accumulator = _motmetrics().MOTAccumulator(auto_id=True)
    shown, out = [], []
    for index in range(frames):
        frame, result = scene.frame(index), None
        if waiting and waiting[0] <= index:
            result, waiting = waiting[1], None
        request = tracker.request(frame) if waiting is None else None
        if request is not None:
            waiting = index + late, analyzer.analyze(request)
            if not late:
                result, waiting = waiting[1], None
        tracks = tracker.step(frame, result).tracks
        truth = scene.truth(index)
        boxes = boxes_to_rows([t.box for t in truth])
        inside = inside_share(boxes, WIDTH, HEIGHT)
        shown.append(np.minimum([t.visible for t in truth], inside) >= _SHOWN)
        out.append(inside < _OUT)
        _compare(accumulator, boxes, shown[-1], tracks)
    return TrackedScene(name, seed, accumulator, np.array(shown), np.array(out))


def _compare(accumulator: Any, boxes: np.ndarray, shown: np.ndarray, tracks: tuple[Track, ...]) -> None:
    overlap = iou(boxes, boxes_to_rows([t.box for t in tracks]))
    hits, others = (overlap[rows].max(axis=0, initial=0) for rows in (shown, ~shown))
    kept = np.nonzero((hits >= SAME_FACE_IOU) | (others < 0.3))[0]
    distance = 1 - overlap[np.ix_(shown, kept)]
    distance[distance > 1 - SAME_FACE_IOU] = np.nan
    accumulator.update(np.nonzero(shown)[0], [tracks[k].track_id for k in kept], distance)


def id_events(tracked: TrackedScene) -> dict[str, int]:
    """Count swaps, returns and newcomers of one scene, and those with the right id."""
    events = tracked.accumulator.mot_events
    matches = events[events.Type.isin(('MATCH', 'SWITCH'))]
    result = dict.fromkeys(('swaps', 'returns', 'returns_right', 'newcomers', 'newcomers_wrong'), 0)
    last: dict[int, tuple[int, int]] = {}  # person -> id, last frame
    owner: dict[int, tuple[int, int]] = {}  # id -> person, frame
    for (frame, _), person, track in zip(
        matches.index, matches.OId.astype(int).tolist(), matches.HId.astype(int).tolist(), strict=True
    ):
        former, seen = owner.get(track, (person, frame))
        if former != person and frame - seen <= _SWAP_S * FPS and tracked.shown[frame, former]:
            result['swaps'] += 1
        if person not in last:
            if _anyone_left(tracked.out, frame):
                result['newcomers'] += 1
                result['newcomers_wrong'] += former != person
        elif tracked.out[last[person][1] : frame, person].sum() >= AWAY_S * FPS:
            result['returns'] += 1
            result['returns_right'] += last[person][0] == track
        last[person], owner[track] = (track, frame), (person, frame)
    return result


def _anyone_left(out: np.ndarray, frame: int) -> bool:
    """Whether a person who was in the image before `frame` is outside it now."""
    was_inside = np.any(~out[:frame], axis=0)
    return bool((was_inside & out[frame]).any())


def summary(runs: list[TrackedScene]) -> dict[str, float]:
    """Scores over all given scenes together."""
    names = {'idf1': 'IDF1', 'mota': 'MOTA', 'num_switches': 'switches'}
    found = [(p.accumulator, f'{p.scene} {p.seed}') for p in runs]
    table = (
        _motmetrics()
        .metrics.create()
        .compute_many(
            [accumulator for accumulator, _ in found],
            metrics=list(names),
            names=[name for _, name in found],
            generate_overall=True,
        )
    )
    row = table.loc['OVERALL']
    scores = {ours: round(float(row[theirs]), 4) for theirs, ours in names.items()}
    scores['switches'] = int(scores['switches'])
    each = [id_events(p) for p in runs]
    return scores | {name: sum(one[name] for one in each) for name in each[0]}


def _motmetrics() -> ModuleType:
    try:
        import motmetrics
    except ImportError:
        raise ConfigError('scores of ids need py-motmetrics: pip install affect-perception[eval]') from None
    return motmetrics


def main(argv: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    parser = argparse.ArgumentParser(prog='affect-perception bench ids', description=__doc__.split('\n')[0])
    parser.add_argument('--portraits', required=True, help='folder with index.csv and two portraits per person')
    parser.add_argument('--seeds', type=int, default=10, help='scenes of each kind (10)')
    parser.add_argument('--first-seed', type=int, default=0, help='random seed of the first scene (0)')
    parser.add_argument('--seconds', type=float, default=30.0, help='duration of each scene (30)')
    parser.add_argument('--late', type=int, default=0, help='delay of detection results, frames (0)')
    parser.add_argument(
        '--scenes', nargs='+', choices=('busy', 'visitors'), default=('busy', 'visitors'), help='kinds of scenes (all)'
    )
    add_flags(parser, 'face_tracker_node', skip=_NO_EFFECT, shown=_SHOWN_FLAGS)
    args = parser.parse_args(argv)
    given = settings_of(args, 'face_tracker_node')
    settings = TrackerSettings.from_mapping(given)
    analyzer = make_face_analyzer(settings)
    runs: list[TrackedScene] = []
    print(f'{"scene":>12}' + ''.join(f'{name:>16}' for name in _COLUMNS))
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        made = scenes(seed, args.portraits)
        for name in args.scenes:
            frames = round(args.seconds * FPS)
            runs.append(track_scene(name, made[name](), seed, analyzer, settings, frames, args.late))
            _print(f'{name} {seed}', summary(runs[-1:]))
    result: dict[str, Any] = {'detector': analyzer.detector, 'late': args.late, 'seconds': args.seconds}
    result |= {'settings': given, **summary(runs), 'scenes': {}}
    _print('all', result)
    for name in args.scenes:
        result['scenes'][name] = summary([r for r in runs if r.scene == name])
        _print(name, result['scenes'][name])
    result['seeds'] = [{'scene': r.scene, 'seed': r.seed, **summary([r])} for r in runs]
    print(json.dumps(result))
    return 0


_COLUMNS = ('IDF1', 'MOTA', 'switches', 'swaps', 'returns', 'returns_right', 'newcomers', 'newcomers_wrong')


def _print(name: str, scores: dict) -> None:
    print(f'{name:>12}' + ''.join(f'{scores[column]:>16}' for column in _COLUMNS), flush=True)


if __name__ == '__main__':
    raise SystemExit(main())
