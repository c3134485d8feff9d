"""Small data sets in their official layouts, from generated clips of the astronaut of scikit-image."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

FRAMES, FPS = 30, 15.0


def write_video(path: Path, frames: int = FRAMES, faces: bool = True) -> Path:
    """A video of one moving person, or of an empty room without `faces`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    codec = 'MJPG' if path.suffix == '.avi' else 'mp4v'
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), FPS, (480, 360))
    for i in range(frames):
        rgb = still(i) if faces else np.full((360, 480, 3), 90, np.uint8)
        video.write(np.ascontiguousarray(rgb[..., ::-1]))
    video.release()
    return path


def write_two_people(path: Path, frames: int = FRAMES) -> Path:
    """A video of two people side by side."""
    path.parent.mkdir(parents=True, exist_ok=True)
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), FPS, (960, 360))
    for i in range(frames):
        rgb = np.concatenate([still(i), still(i + 7)[:, ::-1]], axis=1)
        video.write(np.ascontiguousarray(rgb[..., ::-1]))
    video.release()
    return path


@functools.cache
def _astronaut() -> np.ndarray:
    from skimage.data import astronaut

    return np.ascontiguousarray(astronaut()[0:300, 60:460])


def still(shift: int = 0) -> np.ndarray:
    """(360, 480, 3) uint8 RGB: the astronaut, shifted by a few px."""
    matrix = np.float32([[1.2, 0, shift % 9], [0, 1.2, (shift * 2) % 7]])
    return cv2.warpAffine(_astronaut(), matrix, (480, 360), borderMode=cv2.BORDER_REPLICATE)


def write_image(path: Path, rgb: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(rgb[..., ::-1]))
    return path


def face(size: int = 112) -> np.ndarray:
    """(size, size, 3) uint8 RGB: the face alone, as sets of crops have it."""
    return cv2.resize(_astronaut()[60:200, 95:235], (size, size), interpolation=cv2.INTER_AREA)


def write(path: Path, lines: Sequence[str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join(lines) + '\n')
    return path


def eaf(path: Path, tiers: dict[str, Sequence[tuple[int, int, str]]]) -> Path:
    """An ELAN document, one element per line: (start ms, end ms, value) per tier."""
    slots, bodies = [], []
    for name, segments in tiers.items():
        bodies.append(f'<TIER LINGUISTIC_TYPE_REF="smile" TIER_ID="{name}">')
        for begin, end, value in segments:
            first = len(slots) + 1
            slots += [f'<TIME_SLOT TIME_SLOT_ID="ts{first}" TIME_VALUE="{begin}"/>']
            slots += [f'<TIME_SLOT TIME_SLOT_ID="ts{first + 1}" TIME_VALUE="{end}"/>']
            bodies += [
                '<ANNOTATION>',
                f'<ALIGNABLE_ANNOTATION ANNOTATION_ID="a{first}" TIME_SLOT_REF1="ts{first}" '
                f'TIME_SLOT_REF2="ts{first + 1}">',
                f'<ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>',
                '</ALIGNABLE_ANNOTATION>',
                '</ANNOTATION>',
            ]
        bodies.append('</TIER>')
    head = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<ANNOTATION_DOCUMENT AUTHOR="anna" DATE="2019-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0">',
        '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">',
        f'<MEDIA_DESCRIPTOR MEDIA_URL="file:///{path.stem}.mp4" MIME_TYPE="video/mp4"/>',
        '</HEADER>',
        '<TIME_ORDER>',
    ]
    return write(path, [*head, *slots, '</TIME_ORDER>', *bodies, '</ANNOTATION_DOCUMENT>'])


def aff_wild2(root: Path) -> Path:
    """Two videos with valence, arousal and expression, one of two people, and one folder of crops."""
    annotations = root / '6th ABAW Annotations'
    va, expr = annotations / 'VA_Estimation_Challenge', annotations / 'EXPR_Recognition_Challenge'
    names = 'Neutral,Anger,Disgust,Fear,Happiness,Sadness,Surprise,Other'
    values = [f'{0.01 * i:.2f},{-0.01 * i:.2f}' for i in range(FRAMES)]
    values[3:5] = ['-5,-5', '-5,-5']
    write(va / 'Train_Set' / '1-30-1280x720.txt', ['valence,arousal', *values])
    write(expr / 'Train_Set' / '1-30-1280x720.txt', [names, *(['4'] * 20), *(['-1'] * (FRAMES - 20))])
    write(va / 'Validation_Set' / 'video59_left.txt', ['valence,arousal', *(['0.5,0.1'] * FRAMES)])
    write(va / 'Validation_Set' / 'video59_right.txt', ['valence,arousal', *(['-0.5,0.2'] * FRAMES)])
    write(va / 'Train_Set' / '7-60-1920x1080.txt', ['valence,arousal', *(['0.2,0.2'] * 6)])
    write_video(root / 'batch1' / '1-30-1280x720.mp4')
    write_two_people(root / 'batch2' / 'video59.mp4')
    for number in (1, 2, 4, 5):  # frame 3 and 6: no face found by the makers of the set
        write_image(root / 'cropped_aligned' / '7-60-1920x1080' / f'{number:05d}.jpg', face())
    return root


def hume_reaction(root: Path) -> Path:
    head = 'File_ID,Adoration,Amusement,Anxiety,Disgust,Empathic-Pain,Fear,Surprise,Split'
    lines = ['[00001],0.1,0.9,0,0,0.05,0,0.4,Train', '[00002],0,0.1,0.8,0.2,0,0.7,0.1,Val', '[00003],,,,,,,,Test']
    write(root / 'data_info.csv', [head, *lines])
    for name in ('00001', '00002', '00003'):
        write_video(root / 'raw' / f'{name}.mp4', 12)
    return root


def afew(root: Path) -> Path:
    for split, names in {'Train_AFEW': ('Angry', 'Happy'), 'Val_AFEW': ('Neutral',)}.items():
        for i, name in enumerate(names):
            write_video(root / split / name / f'00{split[0]}{i}46280.avi', 10)
    write_video(root / 'Test_AFEW' / '000001.avi', 3)
    return root


def sfew(root: Path) -> Path:
    write_image(root / 'Train' / 'Angry' / 'AlexEmma_000236960_00000045.png', still())
    write_image(
        root / 'Val' / 'Val_Aligned_Faces' / 'Sad' / 'Crash_000236_00000001.png', np.resize(face(181), (181, 143, 3))
    )
    return root


def raf_db(root: Path) -> Path:
    lines = ['train_00001.jpg 4', 'train_00002.jpg 7', 'test_0001.jpg 1']
    write(root / 'basic' / 'EmoLabel' / 'list_patition_label.txt', lines)
    write_image(root / 'basic' / 'Image' / 'original' / 'train_00001.jpg', still())
    write_image(root / 'basic' / 'Image' / 'aligned' / 'train_00002_aligned.jpg', face(100))
    write_image(root / 'basic' / 'Image' / 'aligned' / 'test_0001_aligned.jpg', face(100))
    return root


def affectnet_csv(root: Path) -> Path:
    head = 'subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal'
    row = '{},{},{},{},{},1.0;2.0;3.0,{},{},{}'
    write(root / 'training.csv', [
        head, row.format('103/a.jpg', 178, 102, 150, 150, 1, 0.8, 0.1),
        row.format('103/b.jpg', 0, 0, 60, 60, 9, -2, -2),
        row.format('103/none.jpg', 0, 0, 60, 60, 1, 0.1, 0.1),
    ])  # fmt: skip
    write(root / 'validation.csv', [head, row.format('7/c.jpg', 5, 5, 90, 90, 8, -0.4, 0.6)])
    for name in ('103/a.jpg', '103/b.jpg', '7/c.jpg'):
        write_image(root / 'Manually_Annotated_Images' / name, still())
    return root


def affectnet_npy(root: Path) -> Path:
    for split, number, label in (('train', 0, '3'), ('train', 1, '7'), ('val', 2, '0')):
        folder = root / f'{split}_set'
        write_image(folder / 'images' / f'{number}.jpg', face(224))
        (folder / 'annotations').mkdir(parents=True, exist_ok=True)
        for kind, value in (('exp', label), ('val', '-0.25'), ('aro', '0.5'), ('lnd', np.zeros(136))):
            np.save(folder / 'annotations' / f'{number}_{kind}.npy', np.array(value))
    return root


def sewa(root: Path) -> Path:
    for name in ('Train_DE_01', 'Devel_DE_01'):
        rows = [f'{name};{i / 10:.1f};{0.05 * i:.2f};{-0.05 * i:.2f};0.1' for i in range(int(FRAMES / FPS * 10))]
        write(root / 'labels' / f'{name}.csv', rows)
        write_video(root / 'videos' / f'{name}.avi')
    return root


def elan(root: Path) -> Path:
    """Two videos of one person each, with a split per person."""
    for name in ('talk1', 'talk2'):
        write_video(root / f'{name}.mp4')
        eaf(root / f'{name}.eaf', {'smile': [(0, 400, 'low'), (400, 900, 'high'), (1200, 1500, 'subtle')]})
    write(root / 'splits.csv', ['clip,person,split', 'talk1,p01,train', 'talk2,p02,val'])
    return root


def plain_csv(root: Path) -> Path:
    write(root / 'index.csv', [
        'file,person,split,expression,labels',
        'a.mp4,p1,train,happy,', 'b.jpg,p2,val,sad,', 'a2.mp4,p3,val,,frames.csv',
    ])  # fmt: skip
    write(root / 'frames.csv', ['frame,smile_intensity', *(f'{i},0.5' for i in range(FRAMES))])
    write_video(root / 'a.mp4', 10)
    write_video(root / 'a2.mp4')
    write_image(root / 'b.jpg', still())
    return root


SETS = {
    'aff_wild2': aff_wild2, 'hume_reaction': hume_reaction, 'afew': afew, 'sfew': sfew, 'raf_db': raf_db,
    'affectnet': affectnet_csv, 'sewa': sewa, 'elan': elan, 'csv': plain_csv,
}  # fmt: skip
