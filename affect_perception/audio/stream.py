"""Blocks of sound in, frames of features out, with the stamps of the samples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import numpy as np

from affect_perception.audio.features import HOP, Extractor, open_extractor
from affect_perception.audio.features.functionals import FunctionalStream
from affect_perception.audio.resampling import MonoBlock, Resampler
from affect_perception.audio.speech import SpeechActivity
from affect_perception.core.sound import RATE, AudioFeatures, SoundBlock
from affect_perception.errors import BadInputError
from affect_perception.settings import AudioSettings

SILENT_RMS = 1e-4  # -80 dB: below is no sound, as of a muted microphone


class FeatureStream:
    """Features of a stream of blocks of any rate and channel count. `step` -> AudioFeatures, or None without a frame.

    A gap starts afresh: no frame spans it, and none is invented for it. `exact`: the stamps have no jitter.
    """

    def __init__(
        self,
        features: str = 'logmel',
        exact: bool = False,
        speech: bool = True,
        functionals: FunctionalStream | None = None,
    ) -> None:
        """`speech` false: never looked for; `functionals` are given by `steps`, too.

        ConfigError for an unknown extractor or a package that is not installed.
        """
        self.extractor: Extractor = open_extractor(features)
        self.resampler = Resampler(exact)
        self._speech = SpeechActivity() if speech else None
        self._rows = 0  # given since the last gap
        self._samples = 0  # taken since the last gap
        self._block = MonoBlock(0, 1e9 / RATE, np.zeros(0, np.float32), 0, False)  # the last one with samples
        self.on_samples: Callable[[int, np.ndarray, bool], object] | None = None  # stamp, 16 kHz samples, gap before
        self.functionals = functionals
        self.gaps = 0
        self.silent = False

    def restart(self, exact: bool) -> None:
        """Begin another source."""
        self.resampler = Resampler(exact)

    def step(self, block: SoundBlock) -> AudioFeatures | None:
        """Features of the windows that the block completes; BadInputError for a block that cannot be used."""
        mono = self.resampler.step(block)
        if mono.gap:
            self.gaps += self._samples > 0
            self.extractor.finish()
            self._rows = 0
            if self._speech is not None:
                self._speech.reset()
        self._block, self._samples = mono, mono.first + len(mono.samples)
        if self.on_samples is not None:
            self.on_samples(mono.stamp_ns, mono.samples, mono.gap)
        if self.functionals is not None:
            self.functionals.push(mono.stamp_ns, mono.period_ns, mono.samples, mono.gap)
        if len(mono.samples):
            self.silent = float(np.sqrt(np.mean(mono.samples**2))) < SILENT_RMS
        speech = self._speech.step(mono.samples) if self._speech is not None else False
        return self._features(self.extractor.push(mono.samples), speech)

    def finish(self) -> AudioFeatures | None:
        """Features of the last windows of a recording."""
        if self.functionals is not None:
            self.functionals.finish()
        rows = np.concatenate([self.extractor.push(self.resampler.finish()), self.extractor.finish()])
        return self._features(rows, False)

    def _features(self, rows: np.ndarray, speech: bool) -> AudioFeatures | None:
        if not len(rows):
            return None
        block, middle = self._block, self._rows * HOP + self.extractor.window / 2
        stamp_ns = block.stamp_ns + (middle - block.first) * block.period_ns
        self._rows += len(rows)
        return AudioFeatures(round(stamp_ns), HOP * block.period_ns * 1e-9, self.extractor.names, rows, speech)

    def steps(self, blocks: Iterable[SoundBlock], on_bad: Callable[[BadInputError], object]) -> list[AudioFeatures]:
        """Features of some blocks, joined where no gap is between, then functionals; bad blocks go to `on_bad`."""
        found: list[AudioFeatures] = []
        for block in blocks:
            try:
                features = self.step(block)
            except BadInputError as error:
                on_bad(error)
                continue
            if features is None:
                continue
            if found and abs(features.stamp_ns - found[-1].end_ns) < 1e6:
                last = found.pop()
                values = np.concatenate([last.values, features.values])
                features = replace(last, values=values, speech=last.speech or features.speech)
            found.append(features)
        return found if self.functionals is None else found + self.functionals.take()


def stream_of(settings: AudioSettings, exact: bool = False) -> FeatureStream:
    """Features, speech activity and functionals that settings ask for; ConfigError as the constructor."""
    functionals = None
    if settings.audio_functionals != 'off':
        functionals = FunctionalStream(settings.audio_functionals, settings.audio_window_s, settings.audio_stride_s)
    return FeatureStream(settings.audio_features, exact, settings.audio_speech, functionals)
