"""Main program of the detector process: builds a `FaceAnalyzer` from settings, then answers one frame after the other.

Messages (runtime/processes/framing.py) from `FaceAnalyzerProcess`: `start` (settings, template), answered by `ready`
(detector, name, forks) or by `refused` or `failed` (text). With `forks` this process is a template from then on
(runtime/processes/template_process.py), and its forks get the rest: `serve` (priority, nice), then any number of
`detect` (rgb, known_boxes, embed; stamp_ns), answered by `result` (the measurements; stamp_ns, detections,
measurements) or `error` (text) for each frame.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from affect_perception.detectors.detector_process import MEASUREMENTS
from affect_perception.detectors.face_analyzer import USED_SETTINGS, FaceAnalyzer, make_face_analyzer
from affect_perception.errors import ConfigError
from affect_perception.runtime.devices import default_threads
from affect_perception.runtime.imports.collection import no_collection
from affect_perception.runtime.log_handler import log_to
from affect_perception.runtime.processes.child_process import child_link, end_with_parent
from affect_perception.runtime.processes.forked_child import CAN_FORK
from affect_perception.runtime.processes.framing import Link, Message
from affect_perception.runtime.processes.priority import use_idle_cores_only, use_share_of_cores
from affect_perception.runtime.processes.template_process import forked_link
from affect_perception.settings import TrackerSettings
from affect_perception.types import DetectionRequest, DetectionResult, Frame


class _Prepared(NamedTuple):
    """An analyzer that was built before it was asked for, and what it was built for."""

    settings: TrackerSettings
    template: bool
    analyzer: FaceAnalyzer

    def fits(self, settings: TrackerSettings, template: bool) -> bool:
        """Whether an analyzer built for these would be the same."""
        same = all(getattr(self.settings, name) == getattr(settings, name) for name in USED_SETTINGS)
        return same and template == self.template


def serve(link: Link, prepared: _Prepared | None = None) -> None:
    """Answer the parent's messages until the parent is gone, with the `prepared` analyzer if it is the wanted one."""
    start = link.receive()
    settings = TrackerSettings.from_mapping(start.fields['settings'])
    template = start.fields['template'] and CAN_FORK
    try:
        if prepared is not None and prepared.fits(settings, template):
            analyzer = prepared.analyzer
        else:
            analyzer = _warm_analyzer(settings, template)
    except ConfigError as error:
        link.send('refused', text=str(error))
        return
    except Exception as error:  # noqa: BLE001  process border: raised again in the parent
        link.send('failed', text=_text(error))
        return
    forks = template and not _uses_gpu()
    link.send('ready', detector=analyzer.detector, name=analyzer.name, forks=forks)
    if forks:
        link = forked_link(link)
        end_with_parent(link)
    _set_threads()
    given = link.receive().fields
    priority = given['priority']
    while True:
        _answer(link, analyzer, _request(link.receive()))
        # Not before: with full cores the start would take minutes, and for the first detection everything waits.
        if priority == 'idle':
            use_idle_cores_only()
        elif priority == 'share':
            use_share_of_cores(given['nice'])
        priority = ''


def _answer(link: Link, analyzer: FaceAnalyzer, request: DetectionRequest) -> None:
    try:
        result = analyzer.analyze(request)
    except Exception as error:  # noqa: BLE001  process border: raised again in the parent
        link.send('error', text=_text(error))
    else:
        _send(link, result)


def _warm_analyzer(settings: TrackerSettings, template: bool) -> FaceAnalyzer:
    """Build and warm up; for a template on one thread, as a pool of OpenMP does not survive a fork."""
    import cv2

    with no_collection():  # also so that a collection in a fork does not write to the shared memory
        if template:
            _use_one_thread()
            cv2.setNumThreads(1)
        analyzer = make_face_analyzer(settings)
        cv2.setNumThreads(1)
        if not template:
            _set_threads()
        analyzer.warm_up()
    return analyzer


def _prepared(settings: TrackerSettings, live: bool) -> _Prepared | None:
    """Build an analyzer before it is asked for; None where that fails, which is told when it is asked for."""
    template = live and CAN_FORK
    try:
        return _Prepared(settings, template, _warm_analyzer(settings, template))
    except Exception:  # noqa: BLE001 - `serve` meets the same and tells the parent
        return None


def _use_one_thread() -> None:
    os.environ['OMP_NUM_THREADS'] = '1'  # before PyTorch is imported
    if 'torch' in sys.modules:  # in a fork
        sys.modules['torch'].set_num_threads(1)


def _set_threads() -> None:
    """Use as many threads as a neighbour of the tracker may have."""
    if 'torch' in sys.modules:
        sys.modules['torch'].set_num_threads(default_threads())


def _uses_gpu() -> bool:
    return 'torch' in sys.modules and bool(sys.modules['torch'].cuda.is_initialized())


def _request(message: Message) -> DetectionRequest:
    rgb, known_boxes, embed = message.arrays
    return DetectionRequest(Frame(message.fields['stamp_ns'], '', rgb), known_boxes, embed)


def _send(link: Link, result: DetectionResult) -> None:
    arrays: dict[str, np.ndarray] = {name: getattr(result, name) for name in MEASUREMENTS}
    arrays = {name: array for name, array in arrays.items() if array is not None}
    rows = [
        [*(float(value) for value in (d.box.x, d.box.y, d.box.width, d.box.height, d.confidence)), d.roll]
        for d in result.detections
    ]
    link.send('result', *arrays.values(), stamp_ns=result.stamp_ns, detections=rows, measurements=list(arrays))


def _text(error: Exception) -> str:
    return f'{type(error).__name__}: {error}'


def main() -> None:
    """Run as `python -m affect_perception.detectors.detector_child FD` by `FaceAnalyzerProcess`.

    With `live|offline SETTINGS` it is started early: SETTINGS (JSON) are those that it will probably be given.
    """
    link = child_link()
    log_to()
    if len(sys.argv) > 2:
        work_early(link, TrackerSettings.from_mapping(json.loads(sys.argv[3])), sys.argv[2] == 'live')
    else:
        _work(link)


def work_early(link: Link, settings: TrackerSettings, live: bool) -> None:
    """Main program of a process that is started before its settings are certain; those given are the likely ones.

    `live`: for `FaceAnalyzerProcess`, else for `DetectorProcess`.
    """
    _work(link, lambda: _prepared(settings, live))


def _work(link: Link, prepare: Callable[[], _Prepared | None] = lambda: None) -> None:
    end_with_parent(link)
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        serve(link, prepare())


if __name__ == '__main__':
    main()
