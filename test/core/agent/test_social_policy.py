"""The agent's policy in scenarios of two minutes, played in milliseconds."""

import math
from collections import Counter
from dataclasses import replace
from itertools import groupby, pairwise

import numpy as np
import pytest

from affect_perception.core.agent.social_policy import SocialPolicy
from affect_perception.settings import AgentSettings
from affect_perception.types import LEVEL_BOUNDS, Affect, Box

FPS = 15.0
T0 = 1_795_000_000_000_000_000


def face(track_id, smile=0.05, valence=0.1, x=None, size=120.0) -> Affect:
    """`smile` NaN is a face of which the model knows nothing (level UNKNOWN)."""
    x = 250.0 * track_id if x is None else x
    level = sum(smile >= bound for bound in LEVEL_BOUNDS)
    sure = 1.0 if math.isfinite(smile) else math.nan
    probabilities = tuple(sure * (i == level) for i in range(4))
    return Affect(track_id, Box.around((x, 300.0), size, size), 0.9, probabilities, smile, valence=valence)


def played(faces_at, seconds=120.0, fps=FPS, settings=None, state=None, start_s=0.0):
    """[(time in s, behaviour)] of a scenario; `faces_at(t)` are the faces in view at t."""
    policy, out = SocialPolicy(settings or AgentSettings()), []
    for i in range(round(seconds * fps)):
        t = start_s + i / fps
        state, behaviour = policy.decide(state, faces_at(t), T0 + round(t * 1e9))
        out.append((t, behaviour))
    return out


def stretches(show) -> list[tuple[str, int, float, float]]:
    """(action, target, begin, length) of each behaviour."""
    out, end = [], show[-1][0] + show[1][0] - show[0][0]
    runs = [(key, next(group)[0]) for key, group in groupby(show, key=lambda entry: entry[1].key)]
    for (key, begin), after in zip(runs, [begin for _, begin in runs[1:]] + [end], strict=True):
        out.append((*key, begin, after - begin))
    return out


def actions(show) -> Counter:
    """Number of times that each (action, target) began."""
    return Counter((action, target) for action, target, *_ in stretches(show))


def first(show, action, target=None, after=0.0) -> float:
    """Time at which `action` first begins after another."""
    return next(t for t, b in show if t >= after and b.action == action and target in (None, b.target_track_id))


def test_a_newcomer_is_greeted_once():
    show = played(lambda t: [face(1)] if t >= 5 else [])
    assert actions(show)['greet', 1] == 1
    assert 5.4 <= first(show, 'greet') <= 6.0
    assert all(b.reason for _, b in show)


def test_everybody_who_comes_is_greeted_once_one_after_the_other():
    show = played(lambda t: [face(i) for i in range(1, 5) if t > 2])
    assert [actions(show)['greet', i] for i in range(1, 5)] == [1, 1, 1, 1]


def test_person_with_a_failing_id_is_not_greeted_again():
    def flickering(t):  # a new id every 4 s, and gaps of half a second
        return [] if t % 4 > 3.5 else [face(1 + int(t // 4), x=300 + 10 * math.sin(t))]

    show = played(flickering)
    assert sum(count for (action, _), count in actions(show).items() if action == 'greet') == 1
    assert not any(action == 'farewell' for action, _ in actions(show))


def test_person_who_is_lost_again_and_again_under_one_id_is_greeted_once():
    show = played(lambda t: [face(1)] if t % 7 < 4 else [])
    assert actions(show)['greet', 1] == 1


def test_somebody_else_at_another_place_is_greeted():
    show = played(lambda t: [face(1)] if t < 60 else [face(2, x=900)])
    assert actions(show)['greet', 1] == actions(show)['greet', 2] == 1


def test_attention_stays_with_a_person_whose_id_changes():
    show = played(lambda t: [face(1 if t < 60 else 2, x=300)])
    at = [b.target_track_id for t, b in show if t > 30]
    assert set(at) == {1, 2}
    assert len([1 for a, b in pairwise(at) if a != b]) == 1


def test_whoever_returns_after_long_is_greeted_again():
    show = played(lambda t: [face(1)] if t < 20 or t > 70 else [])
    assert actions(show)['greet', 1] == 2


@pytest.mark.parametrize('fps', [5.0, 15.0, 30.0])
def test_a_smile_is_mirrored_within_half_a_second(fps):
    show = played(lambda t: [face(1, smile=0.8 if 60 <= t < 63 else 0.1), face(2)], fps=fps)
    assert 60 <= first(show, 'mirror_smile', 1) <= 60.5
    assert actions(show)['mirror_smile', 1] == 1


def test_a_smile_that_begins_while_another_is_mirrored_is_mirrored_within_half_a_second():
    show = played(lambda t: [face(1, 0.7 if t >= 60 else 0), face(2, 0.7 if t >= 60.1 else 0)], 70)
    assert first(show, 'mirror_smile', 1) <= 60.5
    assert first(show, 'mirror_smile', 2) <= 60.7


def test_a_smile_while_somebody_is_greeted_is_mirrored_within_half_a_second():
    show = played(lambda t: [face(1, 0.7 if t >= 10.6 else 0), *([face(2)] if t >= 10 else [])], 20)
    assert first(show, 'greet', 2) < 10.6
    assert 10.6 <= first(show, 'mirror_smile', 1) <= 11.1


@pytest.mark.parametrize('fps', [5.0, 15.0, 30.0])
def test_a_smile_of_one_image_is_not_mirrored(fps):
    def blinking(t):
        return [face(1, smile=0.9 if round(t * fps) % round(3 * fps) == 0 else 0.1)]

    assert actions(played(blinking, fps=fps))['mirror_smile', 1] == 0


def test_a_smile_with_single_images_missing_is_mirrored_without_a_break():
    show = played(lambda t: [face(1, smile=0.0 if round(t * FPS) % 5 == 0 else 0.8)], 10)
    runs = [s for s in stretches(show) if s[0] == 'mirror_smile']
    assert len(runs) == 1


def test_two_people_smiling_in_turn_share_attention():
    show = played(lambda t: [face(1, 0.8 if t % 10 < 4 else 0.1), face(2, 0.8 if 5 <= t % 10 < 8 else 0.1)])
    had = Counter(b.target_track_id for _, b in show)
    assert 0.4 <= had[1] / (had[1] + had[2]) <= 0.6
    assert had[1] + had[2] > 0.95 * len(show)


def test_one_who_always_smiles_does_not_keep_attention_from_the_others():
    show = played(lambda t: [face(1, 0.7), face(2), face(3)])
    had = Counter(b.target_track_id for t, b in show if t > 20)
    assert min(had.values()) / len([1 for t, _ in show if t > 20]) > 0.25


def test_nobody_for_three_seconds_is_idle():
    show = played(lambda t: [face(1)] if t < 30 else [])
    assert 33.0 - 2 / FPS <= first(show, 'idle', after=20.0) <= 33.0 + 1 / FPS
    assert all(b.action == 'idle' for t, b in show if t > 33.1)


def test_whoever_leaves_is_said_farewell_to_once():
    show = played(lambda t: [face(1), face(2)] if t < 30 else [face(1)])
    assert actions(show)['farewell', 2] == 1
    assert 32.0 - 1 / FPS <= first(show, 'farewell') <= 33.0


def test_group_that_leaves_gets_one_farewell():
    show = played(lambda t: [face(1), face(2), face(3)] if t < 30 else [])
    assert actions(show)['farewell', -1] == 1
    assert '1, 2, 3' in next(b.reason for _, b in show if b.action == 'farewell')


def test_passer_by_is_neither_greeted_nor_said_farewell_to():
    show = played(lambda t: [face(1)] if 10 <= t < 10.4 else [], 30)
    assert not {action for action, _ in actions(show)} & {'greet', 'farewell'}


def test_laugh_that_is_shared_is_amplified_and_a_lonely_one_is_mirrored():
    def laughing(t):
        return [face(1, 0.9 if 30 <= t < 33 or t > 60 else 0.1), face(2, 0.9 if 30 <= t < 33 else 0.1)]

    show = played(laughing, 80)
    assert 30 <= first(show, 'amplify_smile') <= 30.8
    assert actions(show)['amplify_smile', -1] == 1
    assert first(show, 'mirror_smile', 1, after=60) <= 60.5


def test_group_is_soothed_when_its_valence_falls_and_until_it_is_well_again():
    show = played(lambda t: [face(i, valence=-0.4 if 40 <= t < 50 else 0.1) for i in (1, 2)])
    assert 41 <= first(show, 'soothe') <= 43
    assert all(40 < t < 53 for t, b in show if b.action == 'soothe')


def test_valence_that_falls_but_stays_above_zero_is_soothed_too():
    show = played(lambda t: [face(1, valence=0.45 if t < 60 else 0.05)], 70)
    assert 60 < first(show, 'soothe', 1) < 65


def test_valence_about_the_threshold_does_not_flicker():
    show = played(lambda t: [face(1, valence=-0.15 + 0.05 * math.sin(9 * t))])
    assert actions(show)['soothe', 1] < 15


def test_low_mood_that_stays_leaves_attention_for_everybody():
    show = played(lambda t: [face(i, valence=-0.4) for i in (1, 2)])
    had = Counter(b.target_track_id for t, b in show if t > 30)
    assert min(had[-1], had[1], had[2]) > 0.1 * sum(had.values())


def test_nothing_is_shown_for_an_instant_whatever_the_faces_do():
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 1, (2000, 4))
    there = rng.uniform(0, 1, (2000, 4)) > 0.1

    def chaos(t):
        i = round(t * FPS)
        return [face(n + 1, noise[i, n], noise[i, n] - 0.6) for n in range(4) if there[i, n]]

    show = played(chaos)
    lengths = [length for *_, length in stretches(show)[:-1]]
    assert min(lengths) > 0.3 - 1e-6
    assert np.mean(lengths) > 0.5


def test_faces_of_which_nothing_is_known_break_nothing():
    show = played(lambda t: [face(1, math.nan, math.nan), face(2, math.nan if t % 2 < 1 else 0.2, 0.1)], 30)
    assert actions(show)['greet', 1] == 1
    assert not any(action == 'mirror_smile' for action, _ in actions(show))
    assert all(math.isfinite(b.strength) and 0 <= b.strength <= 1 for _, b in show)


def test_smile_of_which_nothing_is_known_for_a_moment_goes_on():
    show = played(lambda t: [face(1, math.nan if 12 < t < 12.3 else 0.8 if t > 10 else 0.1)], 14)
    assert actions(show)['mirror_smile', 1] == 1


def test_image_that_comes_late_is_no_new_day():
    policy, state, greetings, last = SocialPolicy(AgentSettings()), None, 0, ''
    for i in range(300):
        late_ns = 80_000_000 if i % 3 == 0 else 0
        state, behaviour = policy.decide(state, [face(1)], T0 + round(i / FPS * 1e9) - late_ns)
        greetings += behaviour.action == 'greet' != last
        last = behaviour.action
    assert greetings == 1


def test_recording_that_begins_again_is_a_new_day():
    policy, state = SocialPolicy(AgentSettings()), None
    seen = []
    for t in [*np.arange(0, 5, 0.1), *np.arange(0, 5, 0.1)]:
        state, behaviour = policy.decide(state, [face(1)], T0 + round(t * 1e9))
        seen.append(behaviour.action)
    assert len([1 for a, b in pairwise(seen) if b == 'greet' != a]) == 2


def test_state_goes_on_under_changed_settings():
    before, after = SocialPolicy(AgentSettings()), SocialPolicy(AgentSettings(smile_on=0.9, smile_off=0.8))
    state, seen = None, []
    for i in range(150):
        policy = before if i < 75 else after
        state, behaviour = policy.decide(state, [face(1, 0.6)], T0 + round(i / FPS * 1e9))
        seen.append(behaviour.action)
    assert seen[70] == 'mirror_smile'
    assert seen[-1] == 'attend'
    assert seen.count('greet') < 30, 'greeted again'


def test_hour_between_two_images_is_survived():
    policy = SocialPolicy(AgentSettings())
    state, _ = policy.decide(None, [face(1)], T0)
    state, behaviour = policy.decide(state, [], T0 + 3600 * 10**9)
    assert behaviour.action == 'idle'
    assert state.people == ()


# ---- with sound --------------------------------------------------------------------------------------------------


def heard(track_id, smile=0.05, speaking=0.0, laughter=0.0) -> Affect:
    """Face with sound."""
    return replace(face(track_id, smile), speaking=speaking, laughter=laughter)


def test_the_agent_attends_to_the_speaker():
    show = played(lambda t: [heard(1), heard(2, speaking=0.9 * (t > 20)), heard(3)], 40)
    attended = [b.target_track_id for t, b in show if t > 23]
    assert attended.count(2) / len(attended) > 0.9
    assert any('person 2 speaks' in b.reason for t, b in show if t > 23)


def test_speech_is_no_smile_but_a_smile_without_speech_is():
    spoken = played(lambda t: [heard(1, smile=0.55 * (t > 10), speaking=0.9 * (t > 9.5))], 20)
    silent = played(lambda t: [heard(1, smile=0.55 * (t > 10))], 20)
    assert not any(b.action == 'mirror_smile' for _, b in spoken)
    assert any(b.action == 'mirror_smile' for _, b in silent)


def test_a_broad_smile_is_a_laugh_only_with_voiced_bursts_where_there_is_sound():
    def words(**sound):
        show = played(lambda t: [replace(face(1, 0.9 * (t > 5)), **sound)], 12)
        return {word for t, b in show for word in ('laughs', 'smiles') if word in b.reason}

    assert words(speaking=0.0, laughter=0.0) == {'smiles'}
    assert words(speaking=0.9, laughter=1.0) == {'laughs'}
    assert words() == {'laughs'}  # without sound by the intensity alone
