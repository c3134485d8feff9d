"""Jobs of a batch: one recording each, with a key by which finished results are recognised."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import affect_perception
from affect_perception.evaluation.offline.inputs import Input, file_hash, fingerprint
from affect_perception.settings import AffectSettings, SourceSettings, TrackerSettings

FINISHED = 'finished.json'


@dataclass(frozen=True)
class Job:
    """One call of `runner.evaluate`; `options` are its further arguments, equal for all jobs."""

    name: str
    given: str
    out: Path
    source: SourceSettings
    tracker: TrackerSettings
    affect: AffectSettings
    options: dict[str, Any] = field(default_factory=dict)
    weight: int = 1  # bytes to read, for the estimate of the time left

    @property
    def key(self) -> str:
        """SHA-256 of all that the results depend on: files, settings, weights, version; not threads and processes."""
        settings = [dataclasses.asdict(group) for group in (self.source, self.tracker, self.affect)]
        settings[0].pop('source')  # its path; the fingerprint identifies the content
        settings[1].pop('detect_beside')
        settings[2].pop('threads')
        about = [
            affect_perception.__version__,
            fingerprint(Path(self.given)),
            settings,
            _identify(self.options),
            self._weights(),
        ]
        return hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()

    def _weights(self) -> str | None:
        if self.options.get('start_from') == 'affect':
            return None
        from affect_perception.models.checkpoint import resolve

        path = resolve(self.affect.model)
        return _hash_once(path) if path.is_file() else None

    def finished(self) -> dict | None:
        """Metrics of a finished run with the same key, or None."""
        try:
            found = json.loads((self.out / FINISHED).read_text())
            return found['metrics'] if found['key'] == self.key else None
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _identify(value: Any) -> Any:
    """JSON form of an option for the key; a path stands for the fingerprint of its files."""
    if isinstance(value, Path):
        return [str(value), fingerprint(value) if value.exists() else None]
    if dataclasses.is_dataclass(value):
        return {
            f.name: _identify(getattr(value, f.name))
            for f in dataclasses.fields(value)
            if f.name != 'command'  # as typed: --jobs does not change the results
        }
    if isinstance(value, dict):
        return {str(name): _identify(item) for name, item in value.items()}
    return [_identify(item) for item in value] if isinstance(value, list | tuple) else value


_hashes: dict[Path, str] = {}


def _hash_once(path: Path) -> str:
    if path not in _hashes:
        _hashes[path] = file_hash(path)
    return _hashes[path]


def make_jobs(
    inputs: list[Input],
    out: Path,
    source: SourceSettings,
    tracker: TrackerSettings,
    affect: AffectSettings,
    **options: Any,
) -> list[Job]:
    """Make one job per input, with results in `out`/NAME."""
    return [
        Job(i.name, str(i.path), out / i.name, source.changed(source=str(i.path)), tracker, affect, options, i.size)
        for i in inputs
    ]
