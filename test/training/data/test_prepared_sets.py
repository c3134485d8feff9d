"""The prepared file: sets and clips with judged levels, as they were, without the folders they came from."""

import dataclasses

import numpy as np
import pytest
from builders.training import TINY, drawn_sets

from affect_perception.errors import ConfigError
from affect_perception.training.data.level_clips import level_clips_of
from affect_perception.training.data.prepared_sets import LevelClip, read_prepared, read_prepared_clips, write_prepared


def drawn_clip(frames: int, seed: int) -> LevelClip:
    rng = np.random.default_rng(seed)
    crops = np.repeat(np.uint8(rng.integers(40, 200, (frames, 6, 6))), 8, axis=1).repeat(8, axis=2)
    level = np.where(np.arange(frames) % 3 == 0, 2.0, np.nan)
    return LevelClip(crops, np.full(frames, 0.04, np.float32), level)


def test_clips_come_back_as_they_were_and_the_sets_beside_them(tmp_path):
    file, clips, sets = tmp_path / 'sets.npz', [drawn_clip(7, 1), drawn_clip(4, 2)], drawn_sets()
    write_prepared(file, sets, clips=clips)
    back = read_prepared_clips(file)
    assert [clip.crops.shape for clip in back] == [(7, 48, 48), (4, 48, 48)]
    for was, now in zip(clips, back, strict=True):
        assert np.abs(was.crops.astype(float) - now.crops).mean() < 4  # WebP
        assert np.array_equal(was.gaps_s, now.gaps_s)
        assert np.array_equal(was.level, now.level, equal_nan=True)
    assert {name: list(of) for name, of in read_prepared(file).items()} == {n: list(of) for n, of in sets.items()}


def test_clips_of_the_prepared_file_need_no_folder_and_without_them_the_folder_is_asked(tmp_path):
    file = tmp_path / 'sets.npz'
    settings = TINY.changed(prepared=str(file), data=str(tmp_path / 'none'), level_clips='clips')
    write_prepared(file, drawn_sets(), clips=[drawn_clip(5, 3)])
    assert len(level_clips_of(settings)) == 1
    assert level_clips_of(settings.changed(level_clips='')) == []
    write_prepared(file, drawn_sets())
    with pytest.raises(ConfigError, match=r'cannot read .*levels\.csv'):
        level_clips_of(settings)
    file.write_text('no archive')
    with pytest.raises(ConfigError, match='delete it to have it made anew'):
        level_clips_of(settings)


def test_a_clip_is_read_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        drawn_clip(2, 0).level = np.zeros(2)
