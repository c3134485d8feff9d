"""The sound of a recording, read beside its images: features by stamp, and `audio.csv`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from affect_perception.audio.stream import stream_of
from affect_perception.core.sound import AudioFeatures, SoundBlock
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.inference.audio_input import AudioNeed
from affect_perception.models import checkpoint
from affect_perception.models.sequence_model import SequenceModel
from affect_perception.runtime.files import LineFile
from affect_perception.settings import AffectSettings, AudioSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.bags.files import is_bag
from affect_perception.sources.sound import shares_clock

_TOGETHER_S = 0.1  # of sound in one step


def for_network(settings: AudioSettings, affect: AffectSettings) -> AudioSettings:
    """Settings with the features that a network was trained with, in place of defaults; as they are for a deaf one."""
    loaded = checkpoint.load(affect.model)
    inputs = loaded.model.inputs if isinstance(loaded.model, SequenceModel) else None
    need = AudioNeed.of(inputs, loaded.header) if inputs is not None else None
    usual = AudioSettings()
    wanted = need.settings if need is not None else {}
    return settings.changed(**{n: v for n, v in wanted.items() if getattr(settings, n) == getattr(usual, n)})


class RecordedSound:
    """Features of the sound of `given`, a clip or a bag, in the time of its images; or of another file.

    `until` reads on and writes `audio.csv` to `out`. Sound of another clock (`shares_clock`) begins with the first
    image, which `begin` tells. ConfigError for a file of sound that cannot be read; a recording without sound is told
    to `on_bad`, and `source` is then ''.
    """

    def __init__(self, given: str, out: Path, settings: AudioSettings, on_bad: BadInputCallback) -> None:
        self._settings, self._on_bad = settings, on_bad
        self.source = ''
        self.seconds = self.speech_s = 0.0
        self._next: AudioFeatures | None = None
        self._offset_ns: int | None = 0  # of the stamps; None: not known yet
        self._begin_ns: int | None = None
        self._features = self._open(given)
        self._path = out / 'audio.csv'
        self._table: LineFile | None = None

    def _open(self, given: str) -> Iterator[AudioFeatures]:
        wanted = given if self._settings.audio == 'auto' else self._settings.audio
        path = Path(wanted).expanduser()
        if not path.exists() or (path.is_dir() and not is_bag(path)):
            raise ConfigError(f'no sound {wanted!r}: give a media file or a bag, or --audio auto for that of the input')
        try:
            features = self._of_bag(path) if is_bag(path) else self._of_media(path)
        except ConfigError as error:
            if wanted != given:
                raise
            self._on_bad(BadInputError('audio', str(error)))  # the images are evaluated without
            return iter(())
        self.source = path.name
        if not shares_clock(wanted, given):
            self._offset_ns = None
        return features

    def _until_damage(self, sound: Iterable[SoundBlock]) -> Iterator[SoundBlock]:
        """Blocks up to the place where a file cannot be read on, which is reported."""
        try:
            yield from sound
        except OSError as error:
            self._on_bad(BadInputError('audio', f'the sound cannot be read any further: {error}'))

    def _of_media(self, path: Path) -> Iterator[AudioFeatures]:
        from affect_perception.sources.sound.media import MediaSound

        sound = MediaSound(path)
        stream = stream_of(self._settings, exact=True)

        def read() -> Iterator[AudioFeatures]:
            waiting, seconds = [], 0.0
            for block in self._until_damage(sound):
                waiting.append(block)
                seconds += block.duration_s
                if seconds >= _TOGETHER_S:
                    yield from stream.steps(waiting, self._on_bad)
                    waiting, seconds = [], 0.0
            yield from stream.steps(waiting, self._on_bad)
            if (last := stream.finish()) is not None:
                yield last
            yield from stream.steps((), self._on_bad)  # functionals

        return read()

    def _of_bag(self, path: Path) -> Iterator[AudioFeatures]:
        from affect_perception.sources.sound.bag import BagSound

        sound = BagSound(path, self._settings, self._on_bad)
        stream = None if sound.has_features else stream_of(self._settings)

        def read() -> Iterator[AudioFeatures]:
            for part in sound:
                if isinstance(part, AudioFeatures):
                    yield part
                elif stream is not None:
                    yield from stream.steps([part], self._on_bad)

        return read()

    def begin(self, stamp_ns: int) -> None:
        """Tell the stamp of the first image; later calls change nothing."""
        self._begin_ns = stamp_ns if self._begin_ns is None else self._begin_ns

    def _read(self) -> AudioFeatures | None:
        features = next(self._features, None)
        if features is None:
            return None
        if self._offset_ns is None:
            self._offset_ns = (self._begin_ns or 0) - features.stamp_ns
        return features.shifted(self._offset_ns)

    def until(self, stamp_ns: int) -> list[AudioFeatures]:
        """Features that begin at or before a stamp and were not returned yet."""
        found: list[AudioFeatures] = []
        while True:
            if self._next is None:
                self._next = self._read()
                if self._next is None:
                    return found
                self._write(self._next)
            if self._next.stamp_ns > stamp_ns:
                return found
            found.append(self._next)
            self._next = None

    def _write(self, features: AudioFeatures) -> None:
        if features.functionals:
            return
        seconds = len(features.values) * features.period_s
        self.seconds += seconds
        self.speech_s += seconds * features.speech
        if self._table is None:
            self._table = LineFile(self._path)
            self._table.rows([['stamp', 'speech', *features.names]])
        stamps = features.stamp_ns + np.round(np.arange(len(features.values)) * features.period_s * 1e9).astype(
            np.int64
        )
        self._table.rows(
            [f'{ns // 10**9}.{ns % 10**9:09d}', int(features.speech), *(f'{v:.5g}' for v in row)]
            for ns, row in zip(stamps.tolist(), features.values.tolist(), strict=True)
        )

    def close(self) -> dict[str, object]:
        """Close audio.csv; what metrics.json says of the sound."""
        if self._table is not None:
            self._table.__exit__(None, None, None)
        return {
            'source': self.source,
            'features': self._settings.audio_features,
            'seconds': round(self.seconds, 2),
            'speech_seconds': round(self.speech_s, 2),
        }
