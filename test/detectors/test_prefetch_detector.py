"""The detector runs before it is asked, and nobody can tell from the results."""

import pytest
from skimage import data as pictures

from affect_perception.core.tracking.tracker import FaceTracker
from affect_perception.detectors.face_analyzer import FaceAnalyzer
from affect_perception.detectors.prefetch import DetectorPrefetch
from affect_perception.errors import BadInputError
from affect_perception.settings import TrackerSettings
from affect_perception.sources.scene.scene import Scene
from affect_perception.types import Frame


class Slow:
    """Says for each frame which it was, and notes what it was shown."""

    def __init__(self):
        self.shown = []

    def __call__(self, frame):
        self.shown.append(frame.stamp_ns)
        if frame.stamp_ns == 66:
            raise BadInputError('size', 'frame 66')
        return [frame.stamp_ns]


def frame(number: int) -> Frame:
    return Frame(number, 'camera', pictures.astronaut()[:16, :16])


def play(asks: dict[int, bool], every: int = 10, lead: int = 12):
    """Detections that the tracker gets at the frames at which it asks, with the reader `lead` frames before it."""
    shown = Slow()
    prefetch, got = DetectorPrefetch(shown, every), {}
    count = max(asks) + 1
    for number in range(count + lead):
        if number < count:
            prefetch.announce(frame(number))
        at = number - lead
        if at >= 0:
            if asks.get(at):
                got[at] = prefetch.detections(frame(at))
            prefetch.advance()
    prefetch.close()
    return got, shown.shown, prefetch


def test_requests_in_the_expected_rhythm_are_predicted():
    got, shown, prefetch = play({0: True, 10: True, 20: True, 30: True})
    assert got == {at: [at] for at in (0, 10, 20, 30)}
    assert shown == [0, 10, 20, 30]
    assert prefetch.hits == prefetch.requests == 4


def test_an_unpredicted_request_is_computed_and_restarts_the_rhythm():
    asks = {0: True, 10: True, 13: True, 23: True, 33: True, 43: True, 53: True}
    got, shown, prefetch = play(asks)
    assert got == {at: [at] for at in asks}
    assert prefetch.hits >= 5, 'all but the one of the cut, and what was read by then'
    assert len(shown) == len(set(shown))


def test_an_error_is_raised_for_the_frame_that_caused_it():
    prefetch = DetectorPrefetch(Slow(), 33)
    for number in range(67):
        prefetch.announce(frame(number))
    for _ in range(66):
        prefetch.advance()
    with pytest.raises(BadInputError, match='frame 66'):
        prefetch.detections(frame(66))
    prefetch.close()


def test_tracks_are_those_of_a_detector_that_runs_on_request():
    scene = Scene(320, 180, 10.0, people=2, seed=3, duration_s=2)
    frames = [scene.frame(i) for i in range(20)]
    settings = TrackerSettings(detector='dlib_hog', detect_every=4)
    from affect_perception.detectors.dlib.hog import DlibHog

    analyzer = FaceAnalyzer(DlibHog())
    prefetch = DetectorPrefetch(analyzer.detect, settings.detect_every)
    results = []
    for early in (False, True):
        tracker, tracks = FaceTracker(settings), []
        for one in frames if early else ():
            prefetch.announce(one)
        for one in frames:
            found = None
            if request := tracker.request(one):
                boxes = prefetch.detections(one) if early else analyzer.detect(one)
                found = analyzer.analyze_detections(request, boxes)
            tracks.append([(t.track_id, t.box) for t in tracker.step(one, found).tracks])
            if early:
                prefetch.advance()
        results.append(tracks)
    prefetch.close()
    assert results[0] == results[1]
    assert prefetch.hits > 3
