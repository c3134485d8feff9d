"""Settings of `agent_node`: policy, and thresholds and durations of the default policy."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class AgentSettings(Settings):
    """Settings of the agent (`agent_node`); docs/agent.md explains their interplay."""

    policy: str = setting(
        'affect_perception.core.agent:SocialPolicy',
        'class of the policy, as module:Class or file.py:Class; docs/agent.md describes its interface',
    )
    smile_on: float = setting(0.45, 'smile intensity from which a person is smiling', low=0.0, high=1.0, live=True)
    smile_off: float = setting(
        0.3,
        'smile intensity below which the smile has ended; not above smile_on',
        low=0.0,
        high=1.0,
        live=True,
        not_above='smile_on',
    )
    laugh_on: float = setting(
        0.75,
        'smile intensity from which a smile counts as a laugh; the level "high" begins here',
        low=0.0,
        high=1.0,
        live=True,
    )
    laugh_off: float = setting(
        0.6,
        'smile intensity below which a laugh has ended; not above laugh_on',
        low=0.0,
        high=1.0,
        live=True,
        not_above='laugh_on',
    )
    smile_confirm_s: float = setting(
        0.15, 'a smile is confirmed after this time and two images', unit='s', low=0.0, high=2.0, live=True
    )
    smile_release_s: float = setting(
        0.3, 'a smile that is missing for less than this continues', unit='s', low=0.0, high=5.0, live=True
    )
    mirror_s: float = setting(
        4.0,
        'a smile has priority over other behaviours for this long, then takes turns with them',
        unit='s',
        low=0.1,
        high=60.0,
        live=True,
    )
    newcomer_s: float = setting(
        0.5, 'a person is greeted after being in view for this long', unit='s', low=0.0, high=10.0, live=True
    )
    greet_s: float = setting(1.5, 'duration of a greeting', unit='s', low=0.1, high=30.0, live=True)
    greet_again_s: float = setting(
        30.0, 'a person who returns within this time is not greeted again', unit='s', low=0.0, high=3600.0, live=True
    )
    handover_s: float = setting(
        3.0,
        'a new id at the place of a person who vanished within this time is taken for that person; 0: never',
        unit='s',
        low=0.0,
        high=30.0,
        live=True,
    )
    farewell_after_s: float = setting(
        2.0, 'a person who is out of view for this long has left', unit='s', low=0.1, high=60.0, live=True
    )
    farewell_s: float = setting(1.0, 'duration of a farewell', unit='s', low=0.1, high=30.0, live=True)
    idle_after_s: float = setting(
        3.0, 'idle when nobody has been in view for this long', unit='s', low=0.0, high=60.0, live=True
    )
    soothe_on: float = setting(
        -0.15,
        'soothe when the valence of the group is below this; networks trained on posed labels span about -0.5 to 0.5',
        low=-1.0,
        high=1.0,
        live=True,
    )
    soothe_off: float = setting(
        -0.05, 'stop soothing when the valence of the group is above this', low=-1.0, high=1.0, live=True
    )
    soothe_drop: float = setting(
        0.25,
        'soothe also when the valence of the group is this much lower than over the last 20 s',
        low=0.0,
        high=2.0,
        live=True,
    )
    soothe_confirm_s: float = setting(
        1.0, 'a low valence must last this long before soothing', unit='s', low=0.0, high=30.0, live=True
    )
    min_dwell_s: float = setting(
        1.0, 'minimum duration of a behaviour, unless a more urgent one is due', unit='s', low=0.0, high=30.0, live=True
    )
    interrupt_s: float = setting(
        0.3, 'minimum duration of a behaviour before a more urgent one', unit='s', low=0.0, high=5.0, live=True
    )
    turn_s: float = setting(
        3.0,
        'duration of attention to one person before the next person of equal priority',
        unit='s',
        low=0.1,
        high=60.0,
        live=True,
    )
    group_position: float = setting(
        0.5,
        'how much less the person farthest from the centre of the group weighs in the group affect; 0: equal '
        'weights by position',
        low=0.0,
        high=1.0,
        live=True,
    )
