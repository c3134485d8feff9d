"""The built-in scene as a labelled recording: `affect-perception scene` writes a clip and its ground truth.

`scene.mp4` is the clip. `scene.csv` has level, intensity and face box per frame of every person whose face is at least
half visible. `scene.eaf` has a simulated second annotator: `late` marks smiles a quarter of a second after they change,
as a person might, and calls faint ones neutral.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

from affect_perception.errors import ConfigError
from affect_perception.evaluation.labels.quantities import SMILE_LEVELS
from affect_perception.evaluation.labels.series import Labels, Series, series_from_points
from affect_perception.evaluation.metrics.runs import find_runs
from affect_perception.settings import SourceSettings
from affect_perception.sources.scene.scene import PersonTruth, Scene
from affect_perception.types import LEVEL_BOUNDS

MIN_VISIBLE = 0.5  # share of a face that must be visible for its label to count
ANNOTATOR, SECOND = 'truth', 'late'
_LATE_S = 0.25
_SECOND_BOUNDS = (0.2, 0.4, 0.75)


def scene_labels(scene: Scene, frames: int) -> Labels:
    """Ground truth of the first `frames` frames, by time: level, intensity and box of every visible person."""
    found: dict[tuple[str, str], dict[float, float | np.ndarray]] = {}
    for time_s, truth in _visible_people(scene, frames):
        box = np.array([truth.box.x, truth.box.y, truth.box.width, truth.box.height])
        for quantity, value in (('smile', _level(truth.smile)), ('smile_intensity', truth.smile), ('box', box)):
            found.setdefault((_name(truth), quantity), {})[time_s] = value
    series: list[Series] = [
        series_from_points(
            'time', points, person=person, annotator='' if quantity == 'box' else ANNOTATOR, quantity=quantity
        )
        for (person, quantity), points in found.items()
    ]
    return Labels(tuple(series))


def write_recording(
    out: Path, settings: SourceSettings, duration_s: float, progress: Callable[[range], Iterable[int]] = iter
) -> dict:
    """Write the three files to `out`; returns their paths and the numbers of frames and people.

    Raises ConfigError for a duration without frames and a folder that cannot be written.
    """
    frames = round(duration_s * settings.fps)
    if frames < 1:
        raise ConfigError(f'--duration {duration_s} is no length; give seconds, 1 or more')
    scene = Scene(
        settings.width, settings.height, settings.fps, settings.scene_people, settings.scene_seed,
        settings.scene_portraits,
    )  # fmt: skip
    try:
        out.mkdir(parents=True, exist_ok=True)
        _write_csv(out / 'scene.csv', scene, frames)
        _write_eaf(out / 'scene.eaf', scene, frames)
    except OSError as error:
        raise ConfigError(f'cannot write to {out}: {error.strerror}; give another --out') from None
    video = cv2.VideoWriter(str(out / 'scene.mp4'), cv2.VideoWriter.fourcc(*'mp4v'), scene.fps, scene.size)
    for index in progress(range(frames)):
        video.write(np.ascontiguousarray(scene.frame(index).rgb[..., ::-1]))
    video.release()
    people = len(scene.script.people)
    labels = [str(out / name) for name in ('scene.csv', 'scene.eaf')]
    return {'clip': str(out / 'scene.mp4'), 'labels': labels, 'frames': frames, 'people': people}


def _visible_people(scene: Scene, frames: int) -> Iterator[tuple[float, PersonTruth]]:
    for index in range(frames):
        for truth in scene.truth(index):
            if truth.visible >= MIN_VISIBLE:
                yield index / scene.fps, truth


def _name(truth: PersonTruth) -> str:
    return f'person{truth.person_id + 1}'


def _level(smile: float, bounds: tuple[float, ...] = LEVEL_BOUNDS) -> int:
    return int(np.digitize(smile, bounds, right=True))


def _write_csv(path: Path, scene: Scene, frames: int) -> None:
    with path.open('w', newline='') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['time', 'person', 'annotator', 'smile', 'smile_intensity', 'x', 'y', 'width', 'height'])
        for time_s, truth in _visible_people(scene, frames):
            box = truth.box
            corner = [f'{v:.2f}' for v in (box.x, box.y, box.width, box.height)]
            level = SMILE_LEVELS[_level(truth.smile)]
            table.writerow([f'{time_s:.6f}', _name(truth), ANNOTATOR, level, f'{truth.smile:.4f}', *corner])


def _write_eaf(path: Path, scene: Scene, frames: int) -> None:
    """Write one tier per person, of the simulated second annotator."""
    late = round(_LATE_S * scene.fps)
    root = ElementTree.Element(
        'ANNOTATION_DOCUMENT', AUTHOR=SECOND, DATE='2026-01-01T00:00:00+00:00', FORMAT='3.0', VERSION='3.0'
    )
    header = ElementTree.SubElement(root, 'HEADER', MEDIA_FILE='', TIME_UNITS='milliseconds')
    medium = {'MEDIA_URL': './scene.mp4', 'MIME_TYPE': 'video/mp4', 'RELATIVE_MEDIA_URL': './scene.mp4'}
    ElementTree.SubElement(header, 'MEDIA_DESCRIPTOR', medium)
    order, tiers = ElementTree.SubElement(root, 'TIME_ORDER'), []
    count = 0
    for p in range(len(scene.script.people)):
        truths = [scene.truth(max(i - late, 0))[p] for i in range(frames)]
        levels = np.array([_level(t.smile, _SECOND_BOUNDS) for t in truths], float)
        name = _name(truths[0])
        tier = ElementTree.Element(
            'TIER', TIER_ID=f'smile@{name}@{SECOND}', PARTICIPANT=name, ANNOTATOR=SECOND, LINGUISTIC_TYPE_REF='level'
        )
        for start, end, level in find_runs(levels):
            if level == 0:
                continue
            for at in (start, end):
                count += 1
                value = str(round(at / scene.fps * 1000))
                ElementTree.SubElement(order, 'TIME_SLOT', TIME_SLOT_ID=f'ts{count}', TIME_VALUE=value)
            annotation = ElementTree.SubElement(
                ElementTree.SubElement(tier, 'ANNOTATION'), 'ALIGNABLE_ANNOTATION', ANNOTATION_ID=f'a{count // 2}',
                TIME_SLOT_REF1=f'ts{count - 1}', TIME_SLOT_REF2=f'ts{count}',
            )  # fmt: skip
            ElementTree.SubElement(annotation, 'ANNOTATION_VALUE').text = SMILE_LEVELS[level]
        tiers.append(tier)
    root.extend(tiers)
    ElementTree.SubElement(
        root, 'LINGUISTIC_TYPE', LINGUISTIC_TYPE_ID='level', GRAPHIC_REFERENCES='false', TIME_ALIGNABLE='true'
    )
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding='UTF-8', xml_declaration=True)
