"""Thresholds of diagnostics, parameters of every node."""

from __future__ import annotations

from dataclasses import dataclass

from affect_perception.settings.declaration import Settings, setting


@dataclass(frozen=True)
class DiagnosticsSettings(Settings):
    """Thresholds of WARN and ERROR in /diagnostics; parameters of every node."""

    latency_warn_ms: float = setting(
        250.0, 'WARN above this latency (p95 of the last images)', unit='ms', low=0.0, live=True
    )
    latency_error_ms: float = setting(1000.0, 'ERROR above this latency', unit='ms', low=0.0, live=True)
    drops_warn: float = setting(
        0.5, 'WARN when a larger share of the images of the last second was dropped', low=0.0, high=1.0, live=True
    )
    drops_error: float = setting(0.95, 'ERROR when a larger share was dropped', low=0.0, high=1.0, live=True)
    bad_error: float = setting(
        0.5,
        'ERROR when this share of the inputs of the last second was bad; WARN at the first bad input',
        low=0.0,
        high=1.0,
        live=True,
    )
    silence_warn_s: float = setting(2.0, 'WARN when no input arrived for this long', unit='s', low=0.0, live=True)
    silence_error_s: float = setting(10.0, 'ERROR when no input arrived for this long', unit='s', low=0.0, live=True)
