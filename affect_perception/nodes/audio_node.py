"""audio_node: acoustic features of a microphone, a media file, a stream, the scene or a topic of samples.

Publishes  `audio_features` (AudioFeatures; reliable, depth 10), stamped with the time of the samples
           `audio_functionals` (AudioFeatures of one row; likewise) where wanted, stamped with the end of its window
Subscribes the topic of `audio: topic:NAME` (AudioData, AudioDataStamped or AudioStamped of audio_common_msgs)

Nothing here stops the images: a device that is absent, unplugged or stalled, and a medium without sound, are told in
the log once and in diagnostics; a live source is tried again twice a second. Beside `camera_node` in one program,
recorded sound keeps the time of the images, also in every pass over a looped file, and a lossless replay (`rate: 0`)
waits for its sound.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rclpy.publisher import Publisher
from rclpy.subscription import Subscription

from affect_perception.audio.stream import FeatureStream, stream_of
from affect_perception.audio.wav_file import WavFile
from affect_perception.core.message_readers import sound_from_msg
from affect_perception.core.sound import AudioFeatures as Features
from affect_perception.core.sound import SoundBlock
from affect_perception.errors import ConfigError
from affect_perception.msg import AudioFeatures
from affect_perception.ros.conversions import features_to_msg
from affect_perception.ros.executors import run_nodes
from affect_perception.ros.health.diagnostics import NodeDiagnostics
from affect_perception.ros.inputs.audio_topic import sound_type
from affect_perception.ros.lifecycle import AutostartLifecycleNode
from affect_perception.ros.startup.parameters import Overrides, declare_settings
from affect_perception.ros.topics import advertise, subscribe
from affect_perception.runtime.masking import masked
from affect_perception.settings import AudioSettings, SourceSettings
from affect_perception.sources.playback_clock import Playback
from affect_perception.sources.sound import SoundSource, chosen_sound, open_sound, shares_clock

_RETRY_S = 0.5
_START_S = 60.0  # until recorded images have begun
_AHEAD_S = 1.0  # of the sound before the images of a lossless replay, at least
_LISTENER_S = 2.0  # until somebody listens to the sound of a lossless replay
_SILENT_S = 10.0
_FRAME_ID = 'microphone'


class AudioNode(AutostartLifecycleNode):
    """Node of the sound. `overrides` are settings given by a program; they weigh more than YAML and command line."""

    def __init__(self, overrides: Overrides | None = None, **node_options: Any) -> None:
        super().__init__('audio_node', **node_options)
        self.settings = declare_settings(self, AudioSettings, overrides)
        self._images, self._playback = SourceSettings(source='camera'), Playback.immediate()
        self.sound = ''  # what the setting `audio` means; '' for none
        self._source: SoundSource | None = None
        self._stream: FeatureStream | None = None
        self._features: Publisher | None = None
        self._functionals: Publisher | None = None
        self._topic: Subscription | None = None
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()
        self._file: WavFile | None = None
        self._cpu_s = 0.0  # of the work on sound in the thread of the source
        self.newest_ns: dict[bool, int] = {}  # stamp of the last message of functionals, and of other features
        self._state, self._silent_s, self._speech = 'not started', 0.0, False
        self.diagnostics = NodeDiagnostics(self, lambda: 0, self._details, idle_reason=self._idle_reason)
        self.autostart_lifecycle()

    def beside(self, images: SourceSettings, playback: Playback) -> AudioNode:
        """Keep the time of the images of `camera_node`, and take their sound for `auto`."""
        self._images, self._playback = images, playback
        return self

    def start(self) -> AudioNode:
        """Start the sound; apart from the constructor so that it can be told of the images."""
        self.sound = chosen_sound(self.settings.audio, self._images.source)
        if not self.sound:
            self._state = f'no sound beside {masked(self._images.source)}' if self.settings.audio == 'auto' else 'off'
            self.get_logger().info(f'audio: {self._state}')
        elif self.sound.startswith('topic:'):
            self._listen(self.sound.removeprefix('topic:'))
        else:
            self._playback.expect_sound()
            self._thread = threading.Thread(target=self._run, name='audio', daemon=True)
            self._thread.start()
        return self

    def load(self) -> None:
        """Open the extractor and create the publisher; ConfigError for a package that is not installed."""
        self._stream = stream_of(self.settings)
        if self.settings.audio_file:
            self._file = WavFile(Path(self.settings.audio_file).expanduser())
            self._stream.on_samples = self._file.write
        self._features = advertise(self, AudioFeatures, 'audio_features')
        if self._stream.functionals is not None:
            self._functionals = advertise(self, AudioFeatures, 'audio_functionals')

    def stop(self) -> None:
        """End the sound."""
        self._closing.set()
        self._close_source()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=3.0)
        if self._topic is not None:
            self.destroy_subscription(self._topic)
        self._thread = self._topic = None

    def begin(self) -> None:
        """Activate again after a deactivation."""
        again = self._closing.is_set()
        self._closing.clear()
        if again:
            self.start()

    def free(self) -> None:
        """Destroy the publisher, drop the extractor and complete the WAV file."""
        if self._file is not None:
            self._file.close()
            self._file = None
        for publisher in (self._features, self._functionals):
            if publisher is not None:
                self.destroy_publisher(publisher)
        self._features = self._functionals = self._stream = None

    @property
    def cpu_s(self) -> float:
        """CPU time of the work on sound, without reading."""
        return self._cpu_s + (self._stream.extractor.cpu_s if self._stream is not None else 0.0)

    @property
    def finished(self) -> bool:
        """True: a program does not wait for the sound to end."""
        return self._state == 'ended'

    def _run(self) -> None:
        """Thread of the source: opens it, again after a break, and plays it."""
        while not self._closing.is_set():
            try:
                self._source = open_sound(self.sound, self._images, self.settings, self.diagnostics.bad_input)
                self._play(self._source)
                if not self._source.live:
                    self._state = 'ended'
                    return
                self._lost(f'{self._source.name} ended')
            except (ConfigError, OSError) as error:
                self._lost(str(error))
                if self._source is None and not self.sound.startswith('microphone') and '://' not in self.sound:
                    return  # a file will not be there later
            except Exception as error:  # noqa: BLE001 - thread border: counted and logged, the images go on
                self._playback.expect_sound(False)
                self.diagnostics.bad_input(error)
            self._close_source()
            self._closing.wait(_RETRY_S)

    def _close_source(self) -> None:
        try:
            if self._source is not None:
                self._source.close()
        except Exception as error:  # noqa: BLE001 - a broken device may refuse even this; it is opened anew
            self.diagnostics.bad_input(error)

    def _lost(self, text: str) -> None:
        self._state = text
        self._playback.expect_sound(False)
        if not self._closing.is_set():
            self.diagnostics.event('audio', text, 'the images go on without sound')

    def _play(self, source: SoundSource) -> None:
        stream = self._stream
        if stream is None:
            return
        stream.restart(source.exact)
        if source.live:
            self._playback.expect_sound(False)
        elif not self._playback.wait(_START_S):
            raise OSError('the images did not begin')
        if self._state not in ('not started', 'playing'):
            self.get_logger().info(f'audio: {source.name} is here')
        self._state = 'playing'
        if self._playback.lossless:
            self._wait_for_listeners()
        waiting: list[SoundBlock] = []
        same_clock = shares_clock(self.sound, self._images.source)
        passes = self._playback.passes(source, self._images.loop, self._closing, same_clock)
        for part in source if source.live else passes:
            if self._closing.is_set():
                return
            if isinstance(part, Features):
                self._take_features(part)
                continue
            waiting.append(part)
            if sum(b.duration_s for b in waiting) >= self.settings.audio_period_s - 1e-6:
                self._take(stream, waiting, source.live)
                waiting = []

    def _wait_for_listeners(self) -> None:
        deadline = time.monotonic() + _LISTENER_S
        while self._features is not None and not self._features.get_subscription_count():
            if time.monotonic() > deadline or self._closing.wait(0.02):
                return

    def _wait_until_due(self, end_ns: int) -> None:
        ahead_s = max(_AHEAD_S, 2 * self.settings.audio_period_s + 0.5)
        self._playback.wait_for(end_ns, ahead_s, self._now_ns, self._closing)

    def _take(self, stream: FeatureStream, blocks: Sequence[SoundBlock], live: bool) -> None:
        """Features of some blocks as one message, in time."""
        end_ns = blocks[-1].end_ns
        if not live:
            self._wait_until_due(end_ns)
        began = time.thread_time()
        for features in stream.steps(blocks, self.diagnostics.bad_input):
            self._publish(features if live else self._in_playback(features))
        self._judge(stream, sum(block.duration_s for block in blocks))
        self._cpu_s += time.thread_time() - began
        if not live:
            self._playback.sound_progress(end_ns)

    def _take_features(self, features: Features) -> None:
        """Recorded features, in time."""
        self._wait_until_due(features.end_ns)
        self._publish(self._in_playback(features))
        self._playback.sound_progress(features.end_ns)

    def _in_playback(self, features: Features) -> Features:
        playback = self._playback
        return replace(
            features, stamp_ns=playback.published_ns(features.stamp_ns), period_s=features.period_s / playback.speed
        )

    def _publish(self, features: Features) -> None:
        publisher = self._functionals if features.functionals else self._features
        if publisher is None:
            return
        publisher.publish(features_to_msg(features, _FRAME_ID))
        self.newest_ns[features.functionals] = features.stamp_ns
        if features.functionals:
            return
        self._speech = features.speech
        late_ms = (self._now_ns() - features.end_ns) * 1e-6
        self.diagnostics.done(max(late_ms, 0.0) if self._playback.lossless else late_ms)  # sent ahead of the images

    def _judge(self, stream: FeatureStream, seconds: float) -> None:
        """Tell of sound that cannot be of use: silence, clipping."""
        self._silent_s = self._silent_s + seconds if stream.silent else 0.0
        if self._silent_s >= _SILENT_S:
            self.diagnostics.event('silence', f'{_SILENT_S:.0f} s without any sound (muted?)', 'going on', 'audio')
            self._silent_s = 0.0
        if stream.resampler.clipped_blocks:
            self.diagnostics.event('clipped', 'samples at full scale (turn the gain down)', 'used as they are', 'audio')
            stream.resampler.clipped_blocks = 0

    def _listen(self, topic: str) -> None:
        self._topic = subscribe(self, sound_type(self, topic), topic, self._on_sound)
        self._state = 'playing'

    def _on_sound(self, msg: Any) -> None:
        settings = self.settings
        try:
            block = sound_from_msg(msg, settings.audio_rate, settings.audio_channels, settings.audio_format)
            if block.stamp_ns == 0:  # messages without a header: stamped on arrival
                block = block.stamped(self._now_ns())
            if self._stream is not None:
                self._take(self._stream, [block], live=True)
        except Exception as error:  # noqa: BLE001 - border to other programs: counted and logged
            self.diagnostics.bad_input(error)

    def _details(self) -> dict[str, object]:
        stream = self._stream
        return {
            'audio': self.sound or 'none',
            'state': self._state,
            'features': self.settings.audio_features,
            'speech': self._speech,
            'gaps': stream.gaps if stream is not None else 0,
            'rate_ppm': f'{stream.resampler.measured_ppm:.0f}' if stream is not None else 'unknown',
        }

    def _idle_reason(self) -> str:
        return '' if self._state == 'playing' else self._state

    def _now_ns(self) -> int:
        return self.get_clock().now().nanoseconds


def main(args: Sequence[str] | None = None) -> None:
    """Run `ros2 run affect_perception audio_node`."""
    run_nodes(lambda: [AudioNode().start()], args, ['audio_node'])


if __name__ == '__main__':
    main()
