"""Sound beside the faces: received features wait for the images of their time, and tell who speaks."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable

from rclpy.node import Node
from rclpy.subscription import Subscription

from affect_perception.audio.who_speaks import WhoSpeaks
from affect_perception.core.sound import HEARD_AHEAD_NS
from affect_perception.core.sound import AudioFeatures as Features
from affect_perception.msg import AudioFeatures
from affect_perception.ros.conversions import features_from_msg, stamp_from_msg
from affect_perception.ros.topics import sibling_topic, subscribe
from affect_perception.settings import TrackerSettings
from affect_perception.types import AffectFrame, TrackedFrame

_KEPT = 300  # messages that wait for an image
_OTHER_TIME_S = 60.0  # sound this far from the images is of another clock
_DELIVERY_S = 5.0  # until a message of a lossless replay counts as lost
_MARGIN: float = TrackerSettings().crop_margin


class SoundInput:
    """Subscription of `audio_features` and `audio_functionals`.

    `take` returns the sound up to an image; `add_speaking` fills results. `on_bad` gets messages that cannot be used.
    `published_ns`, set for lossless replays, tells the stamps of the last messages that were published (of functionals:
    stamp, of others: stamp): `take` then waits for their delivery.
    """

    def __init__(self, node: Node, topic: str, on_bad: Callable[[Exception], object]) -> None:
        self._node, self._topic, self._on_bad = node, topic, on_bad
        self._messages: deque[tuple[AudioFeatures, bool]] = deque(maxlen=_KEPT)
        self._cameras: dict[str, WhoSpeaks] = {}
        self._recent: deque[Features] = deque(maxlen=_KEPT)  # for a camera that comes later
        self._subscriptions: list[Subscription] = []
        self._received = threading.Condition()
        self._newest_ns: dict[bool, int] = {}
        self.published_ns: Callable[[], dict[bool, int]] | None = None
        self._told_time = False
        self.heard = False
        self.skew_s = math.nan

    def begin(self) -> None:
        """Subscribe."""
        functionals = sibling_topic(self._topic, 'audio_functionals')
        self._subscriptions = [
            subscribe(self._node, AudioFeatures, self._topic, lambda msg: self._on_features(msg, False)),
            subscribe(self._node, AudioFeatures, functionals, lambda msg: self._on_features(msg, True)),
        ]

    def stop(self) -> None:
        """Unsubscribe."""
        while self._subscriptions:
            self._node.destroy_subscription(self._subscriptions.pop())

    def _on_features(self, msg: AudioFeatures, functionals: bool) -> None:
        with self._received:
            self._messages.append((msg, functionals))
            self._newest_ns[functionals] = stamp_from_msg(msg.header.stamp)
            self._received.notify_all()

    def take(self, stamp_ns: int) -> list[Features]:
        """Features up to `HEARD_AHEAD_NS` after an image that were not returned yet, in order of arrival."""
        self._wait_for_delivery()
        with self._received:
            messages = tuple(self._messages)
            self._messages.clear()
        found = []
        for msg, functionals in messages:
            try:
                sound_ns = stamp_from_msg(msg.header.stamp)
                self._check_time(sound_ns, stamp_ns)
                if sound_ns > stamp_ns + HEARD_AHEAD_NS:
                    self._messages.append((msg, functionals))
                    continue
                features = features_from_msg(msg, functionals)
                found.append(features)
                if functionals:
                    continue
                for who in self._cameras.values():
                    who.put(features)
                self._recent.append(features)
            except Exception as error:  # noqa: BLE001 - border to other programs: counted and logged
                self._on_bad(error)
        return found

    def _wait_for_delivery(self) -> None:
        wanted = dict(self.published_ns()) if self.published_ns is not None else {}

        def delivered() -> bool:
            return all(self._newest_ns.get(functionals, 0) >= ns for functionals, ns in wanted.items())

        with self._received:
            if not self._received.wait_for(delivered, _DELIVERY_S):
                self.published_ns = None
                self._node.get_logger().warning(f'a message of sound is missing after {_DELIVERY_S:.0f} s')

    def add_speaking(self, camera: str, tracked: TrackedFrame, affect: AffectFrame) -> AffectFrame:
        """Copy of the results of a camera's image with `speaking`; as they are where no sound has ever come."""
        if not self._recent:
            return affect
        if camera not in self._cameras:
            who = self._cameras[camera] = WhoSpeaks(_MARGIN)
            for features in self._recent:
                who.put(features)
        who = self._cameras[camera]
        added = who.added(tracked, affect)
        self.skew_s = who.skew_s(tracked.stamp_ns)
        self._tell(who.hears(tracked.stamp_ns))
        return added

    def _tell(self, heard: bool) -> None:
        logger = self._node.get_logger()
        if heard != self.heard:
            self.heard = heard
            if heard:
                logger.info('sound has come: faces get `speaking`')
            else:
                logger.warning('no sound at the time of the images: going on with video only')

    def _check_time(self, sound_ns: int, image_ns: int) -> None:
        """Tell once of sound whose clock is not that of the images."""
        behind_s = (image_ns - sound_ns) * 1e-9
        if abs(behind_s) > _OTHER_TIME_S and not self._told_time:
            self._told_time = True
            where = 'behind' if behind_s > 0 else 'ahead of'
            self._node.get_logger().warning(
                f'sound has come that is {abs(behind_s):.0f} s {where} the images: going on with video only. Do the '
                'clocks of both agree?'
            )

    @property
    def details(self) -> dict[str, object]:
        """Pairs for diagnostics: whether there is sound, and how far its newest row is behind the images."""
        skew = f'{self.skew_s * 1e3:.0f}' if math.isfinite(self.skew_s) else 'unknown'
        return {'sound': 'heard', 'sound_behind_ms': skew} if self.heard else {'sound': 'none: video only'}
