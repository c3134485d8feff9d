"""Recorded results of this package in a bag as input: to compare models on the same tracks, or to tabulate a live run.

Both classes iterate over (index, None, AffectFrame), as `ImageResults` does with frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from affect_perception.core.message_readers import affect_from_msg, tracks_from_msg
from affect_perception.errors import BadInputError, ConfigError
from affect_perception.inference.engine import AffectEngine, reproducible_settings
from affect_perception.settings import AffectSettings, SourceSettings
from affect_perception.sources import BadInputCallback
from affect_perception.sources.bags.files import is_bag
from affect_perception.sources.file_kinds import FileStatus
from affect_perception.types import AffectFrame, Frame


class RecordedTopic:
    """Messages of one topic of a bag, converted by `read`; unusable ones are reported to `on_bad` and skipped."""

    file_of: Callable[[int], str] | None = None
    file_statuses: list[FileStatus] | None = None
    time_zero_s: float | None = None
    model: str
    detector = ''  # that of the recording is unknown
    expression_labels: tuple[str, ...]
    reaction_labels: tuple[str, ...]

    def __init__(self, source: SourceSettings, msgtype: str, on_bad: BadInputCallback) -> None:
        path = Path(source.source).expanduser()
        if not path.exists() or not is_bag(path):
            raise ConfigError(f'{source.source!r} is no bag; only bags hold recorded tracks and affect')
        from affect_perception.sources.bags.reader import BagReader
        from affect_perception.sources.bags.source import choose_topic

        self._on_bad = on_bad
        self._reader = BagReader(path, on_bad)
        self.topic = choose_topic(self._reader, source.bag_topic, (msgtype,))
        self.length = self._reader.counts[self.topic]
        self.fps = source.fps

    def __iter__(self) -> Iterator[tuple[int, Frame | None, AffectFrame]]:
        for index, (topic, _, data) in enumerate(self._reader.messages(self.topic)):
            try:
                yield index, None, self.read(topic.decode(data))
            except BadInputError as error:
                self._on_bad(error)
            except (AttributeError, TypeError, ValueError) as error:  # of another version of this package
                self._on_bad(BadInputError('message', f'a message of {self.topic} is not as expected: {error}'))

    def first(self) -> Any:
        """The first readable message; ConfigError without one."""
        first = self._reader.first(self.topic)
        if first is None:
            raise ConfigError(f'no message of {self.topic} in {self._reader.path} can be read')
        return first

    def read(self, msg: Any) -> AffectFrame:
        """Convert one message; BadInputError for an unusable one."""
        raise NotImplementedError


class RecordedTracks(RecordedTopic):
    """Recorded face_tracks, classified anew by the given model."""

    def __init__(self, source: SourceSettings, affect: AffectSettings, on_bad: BadInputCallback) -> None:
        from affect_perception.sources.bags.message_types import TRACKS

        super().__init__(source, TRACKS, on_bad)
        self._engine = AffectEngine(reproducible_settings(affect))
        self.model, self.expression_labels = self._engine.model_name, self._engine.expression_labels
        self.reaction_labels = self._engine.reaction_labels

    def read(self, msg: Any) -> AffectFrame:
        """Run the model on the recorded crops."""
        return self._engine.step(tracks_from_msg(msg, self._on_bad))


class RecordedAffect(RecordedTopic):
    """Recorded face_affect as it is; `model` is the recorded one."""

    def __init__(self, source: SourceSettings, on_bad: BadInputCallback) -> None:
        from affect_perception.sources.bags.message_types import AFFECT

        super().__init__(source, AFFECT, on_bad)
        first = self.first()
        self.model, self.expression_labels = first.model, tuple(first.expression_labels)
        self.reaction_labels = tuple(first.reaction_labels)

    def read(self, msg: Any) -> AffectFrame:
        """Convert one message; BadInputError where the model changes within the bag."""
        labels = tuple(msg.expression_labels), tuple(msg.reaction_labels)
        if labels != (self.expression_labels, self.reaction_labels) or msg.model != self.model:
            text = f'{self.topic} changes from model {self.model} to {msg.model}; one table holds one model'
            raise BadInputError('model', text)
        return affect_from_msg(msg)
