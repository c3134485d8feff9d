"""Active speaker detection, on generated scenes of two people with sound."""

from __future__ import annotations

import math

import numpy as np
import pytest
from builders.sound import tone

from affect_perception.audio.stream import FeatureStream
from affect_perception.audio.who_speaks import WhoSpeaks
from affect_perception.core.images.crops import face_crop
from affect_perception.core.sound import AudioFeatures
from affect_perception.errors import BadInputError
from affect_perception.sources.scene.scene import Scene
from affect_perception.sources.scene.script import KeyPose, Script, ScriptedPerson, SmileEvent
from affect_perception.sources.scene.speech import SpeechEvent
from affect_perception.sources.sound.scene import SceneSound
from affect_perception.types import Box, Track, TrackedFrame

pytest.importorskip('soxr', reason='sound is an optional extra: pip install soxr')

FPS, SECONDS = 12, 8


def scene_of(seed: int, talkers: tuple[int, ...]) -> Script:
    """Two people who turn and smile; `talkers` speak in turns with silence between."""
    rng = np.random.default_rng(seed)
    starts = [1.0, 5.0]
    people = []
    for i, x in enumerate((0.27, 0.73)):
        keys = tuple(
            KeyPose(t, x + float(rng.uniform(-0.03, 0.03)), 0.5, 0.42, *rng.uniform(-12, 12, 2).tolist())
            for t in (0.0, 4.0)
        )
        turns = [k for k in range(2) if talkers and talkers[k % len(talkers)] == i]
        speech = tuple(SpeechEvent(starts[k], 2.0, seed * 10 + k, 120.0 + 80 * i) for k in turns)
        smiles = (SmileEvent(float(rng.uniform(0, 4)), apex=1.0),) if i not in talkers else ()
        people.append(ScriptedPerson(i, keys, smiles, float(i), speech=speech))
    return Script(tuple(people), float(SECONDS))


def watched(script: Script, seed: int, crop_noise: float = 0.01) -> tuple[np.ndarray, np.ndarray]:
    """Speaking (T, 2) found and true, from crops whose boxes jitter as those of a tracker."""
    scene = Scene(320, 180, FPS, script=script, seed=seed)
    who, stream = WhoSpeaks(0.15), FeatureStream(exact=True, speech=False)
    for features in stream.steps(list(SceneSound(script, SECONDS, seed)), pytest.fail):
        who.put(features)
    rng, found, true = np.random.default_rng(seed), [], []
    for index in range(SECONDS * FPS):
        frame, tracks = scene.frame(index), []
        truth = scene.truth(index)
        for person in truth:
            dx, dy, ds = rng.normal(0, crop_noise, 3) * person.box.width
            box = Box(person.box.x + dx, person.box.y + dy, person.box.width + ds, person.box.height + ds)
            tracks.append(Track(person.person_id, box, 1.0, 0.0, face_crop(frame.rgb, box, 64, 0.15)))
        speaking = who.step(TrackedFrame(frame.stamp_ns, '', 320, 180, tuple(tracks)))
        found.append([speaking[0], speaking[1]])
        true.append([person.speaks for person in truth])
    return np.array(found), np.array(true)


def scored(seeds: range) -> tuple[float, float]:
    """Share of speech seconds with the right speaker, and share of silent person-seconds with one."""
    right, false = [], []
    for seed in seeds:
        found, true = watched(scene_of(seed, [(), (0,), (1,), (0, 1)][seed % 4]), seed)
        for second in range(SECONDS):
            part = slice(second * FPS, (second + 1) * FPS)
            mean, share = found[part].mean(0), true[part].mean(0)
            if share.max() > 0.6:
                right.append(mean.argmax() == share.argmax() and mean.max() >= 0.5)
            elif not share.max():
                false += (mean >= 0.5).tolist()
    return float(np.mean(right)), float(np.mean(false))


def test_the_speaker_is_found_and_nobody_in_silence():
    right, false = scored(range(2, 4))
    assert right >= 0.95
    assert false <= 0.03


@pytest.mark.slow
def test_the_speaker_is_found_in_twenty_scenes():
    right, false = scored(range(20))
    assert right >= 0.95
    assert false <= 0.03


def test_a_voice_from_outside_the_image_makes_nobody_the_speaker():
    script = scene_of(5, ())
    outside = ScriptedPerson(2, (KeyPose(0, -3, 0.5, 0.3),), speech=(SpeechEvent(0.5, 5.0, 3),))
    found, _ = watched(Script((*script.people, outside), script.period_s), 5)
    assert not (found >= 0.5).any()


def test_without_sound_and_with_sound_of_another_time_speaking_is_unknown():
    who = WhoSpeaks(0.15)
    frame = TrackedFrame(10**9, '', 64, 64, (Track(1, Box(0, 0, 32, 32), 1.0, 0.0, np.zeros((64, 64, 3), np.uint8)),))
    assert math.isnan(who.step(frame)[1])
    stream = FeatureStream(exact=True, speech=False)
    for stamp_ns in (600 * 10**9, -600 * 10**9):  # ten minutes too early, ten minutes late
        from builders.sound import blocks

        for features in stream.steps(list(blocks(tone(200, 1), start_ns=stamp_ns)), pytest.fail):
            who.put(features)
        assert math.isnan(who.step(frame)[1])


def test_features_without_energy_are_refused():
    with pytest.raises(BadInputError, match='energy and pitch'):
        WhoSpeaks(0.15).put(AudioFeatures(0, 0.01, ('a',), np.zeros((3, 1), np.float32)))
