"""Main program of the detector process: builds a `FaceAnalyzer` from settings, then answers one frame after the other.

Messages (runtime/processes/framing.py) from `FaceAnalyzerProcess`: `start` (settings, template), answered by `ready`
(detector, name, forks) or by `refused` or `failed` (text). With `forks` this process is a template from then on
(runtime/processes/template_process.py), and its forks get the rest: `serve` (priority, nice), then any number of
`detect` (rgb, known_boxes, embed; stamp_ns), answered by `result` (the measurements; stamp_ns, detections,
measurements) or `error` (text) for each frame.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module

import numpy as np

from affect_perception.detectors.detector_process import MEASUREMENTS
from affect_perception.detectors.face_analyzer import FaceAnalyzer, make_face_analyzer
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


def serve(link: Link) -> None:
    """Answer the parent's messages until the parent is gone."""
    start = link.receive()
    template = start.fields['template'] and CAN_FORK
    try:
        with no_collection():  # also so that a collection in a fork does not write to the shared memory
            analyzer = _warm_analyzer(TrackerSettings.from_mapping(start.fields['settings']), template)
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

    if template:
        _use_one_thread()
        cv2.setNumThreads(1)
    analyzer = make_face_analyzer(settings)
    cv2.setNumThreads(1)
    if not template:
        _set_threads()
    analyzer.warm_up()
    return analyzer


def _load_early(live: bool) -> None:
    """Import what dlib_cnn needs, before its settings are known (`start_detector_early`)."""
    if live and CAN_FORK:
        _use_one_thread()
    for module in ('cnn', 'embedding', 'landmarks'):
        with contextlib.suppress(ImportError):  # told when the detector is built
            import_module(f'affect_perception.detectors.dlib.{module}')


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
    """Run as `python -m affect_perception.detectors.detector_child FD [live|offline]` by `FaceAnalyzerProcess`.

    With a second argument it is started early, for that use.
    """
    link = child_link()
    log_to()
    _work(link, *sys.argv[2:])


def work_live(link: Link) -> None:
    """Main program of a fork that is started early, for `FaceAnalyzerProcess`."""
    _work(link, 'live')


def work_offline(link: Link) -> None:
    """Main program of a fork that is started early, for `DetectorProcess`."""
    _work(link, 'offline')


def _work(link: Link, use: str = '') -> None:
    end_with_parent(link)
    if use:
        _load_early(use == 'live')
    with contextlib.suppress(EOFError, OSError):  # the parent is gone
        serve(link)


if __name__ == '__main__':
    main()
