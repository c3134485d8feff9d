"""Level of a node's diagnostics: OK, WARN, ERROR or STALE from its activity of the last second. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from diagnostic_msgs.msg import DiagnosticStatus

from affect_perception.settings import DiagnosticsSettings

_FEW_BAD_INPUTS = 3  # fewer are no ERROR
_ANOTHER_CLOCK_MS = 3.6e6  # a latency beyond an hour is a stamp of another clock
_AHEAD_MS = 100.0  # clocks of computers that are synchronised differ by less


@dataclass(frozen=True)
class Activity:
    """Activity of a node since its last report, over `seconds`.

    Counts are of images (`processed`, `dropped`) and inputs (`bad`); `latency_ms` is the p95 of the last images.
    `silent_s` is the time since the last input, None if none has arrived yet.
    """

    seconds: float
    processed: int = 0
    dropped: int = 0
    bad: int = 0
    silent_s: float | None = 0.0
    latency_ms: float = 0.0


def diagnose(activity: Activity, settings: DiagnosticsSettings) -> tuple[bytes, str]:
    """Level and message of a node's diagnostics."""
    if activity.silent_s is None:
        found = _bad_inputs(activity, settings)
        return found[0] if found else (DiagnosticStatus.STALE, 'nothing has come yet')
    found = [
        *_bad_inputs(activity, settings),
        *_silence(activity.silent_s, settings),
        *_drops(activity, settings),
        *_latency(activity, settings),
    ]
    if not found:
        return DiagnosticStatus.OK, f'{activity.processed / activity.seconds:.0f} frames per second'
    return max(level for level, _ in found), '; '.join(text for _, text in found)


def stamp_problem(latency_ms: float) -> str:
    """Reason why `latency_ms`, from an image stamp to now, cannot be a latency; '' if it can."""
    if abs(latency_ms) > _ANOTHER_CLOCK_MS:
        return 'the stamps are not of this clock (a recording? set use_sim_time)'
    if latency_ms < -_AHEAD_MS:
        return (
            f'the stamps are {-latency_ms * 1e-3:.1f} s ahead of this clock; latency is not known. Synchronise the '
            'clocks (chrony), or set use_sim_time for a simulation or a replay'
        )
    return ''


def _bad_inputs(activity: Activity, settings: DiagnosticsSettings) -> list[tuple[bytes, str]]:
    if not activity.bad:
        return []
    share = activity.bad / (activity.bad + activity.processed)
    is_error = activity.bad >= _FEW_BAD_INPUTS and share >= settings.bad_error
    return [(_level(is_error), f'{activity.bad} bad inputs in the last second')]


def _silence(silent_s: float, settings: DiagnosticsSettings) -> list[tuple[bytes, str]]:
    if silent_s <= settings.silence_warn_s:
        return []
    return [(_level(silent_s > settings.silence_error_s), f'nothing has come for {silent_s:.0f} s')]


def _drops(activity: Activity, settings: DiagnosticsSettings) -> list[tuple[bytes, str]]:
    share = activity.dropped / max(activity.dropped + activity.processed, 1)
    if share <= settings.drops_warn:
        return []
    return [(_level(share > settings.drops_error), f'{share:.0%} of the images of the last second dropped')]


def _latency(activity: Activity, settings: DiagnosticsSettings) -> list[tuple[bytes, str]]:
    latency_ms = activity.latency_ms
    if problem := stamp_problem(latency_ms):
        return [(DiagnosticStatus.WARN, problem)]
    if not activity.processed or latency_ms <= settings.latency_warn_ms:
        return []
    return [(_level(latency_ms > settings.latency_error_ms), f'latency {latency_ms:.0f} ms')]


def _level(is_error: bool) -> bytes:
    return DiagnosticStatus.ERROR if is_error else DiagnosticStatus.WARN
