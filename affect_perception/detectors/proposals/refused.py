"""Places where dlib's CNN found nothing, remembered from one picture of a sequence to the next.

Most proposals without a face are things that stand still. Where nothing was found before, another look can wait as long
as the estimate is the same; so the looks that are left can go to what is new, and to more doubtful places.
"""

from __future__ import annotations

import numpy as np

from affect_perception.detectors.proposals.canvas import face_scale
from affect_perception.detectors.proposals.finder import Proposals

PICTURES = 24  # for which a place is remembered, in the mean
_NEAR = 0.15  # of a face's size; a window reaches 0.2
_FACE_PX = 80  # at level 0
_RISEN = 0.2  # of an estimate, from which a place is looked at again
_MOST = 2000  # places


class RefusedPlaces:
    """Memory of refused places in pictures of one size, each for `pictures` of them in the mean; the oldest go first.

    A few are forgotten with each picture, so that they are looked at again in turns.
    """

    def __init__(self, pictures: int = PICTURES) -> None:
        self._pictures = pictures
        self._size: tuple[int, ...] = ()
        self._places = np.zeros((4, 0))  # level, y, x, estimate; the oldest first
        self._due = 0.0  # places to forget

    def among(self, proposals: Proposals, size: tuple[int, ...]) -> np.ndarray:
        """Indices of the proposals, in a picture of `size`, that were refused; forgets the oldest places."""
        if size != self._size:
            self._size, self._places = size, np.zeros((4, 0))
        self._due += self._places.shape[1] / self._pictures
        forgotten = int(self._due)
        self._due -= forgotten
        self._places = self._places[:, forgotten:]
        level, y, x, estimate = self._places[:, :, None]
        near = _NEAR * _FACE_PX * face_scale(level)
        same = (level == proposals.level) & (abs(y - proposals.y) <= near) & (abs(x - proposals.x) <= near)
        return np.flatnonzero((same & (proposals.score <= estimate + _RISEN)).any(0))

    def add(self, proposals: Proposals, refused: np.ndarray) -> None:
        """Remember the `refused` of the proposals."""
        new = np.stack([proposals.level, proposals.y, proposals.x, proposals.score])[:, refused]
        self._places = np.concatenate([self._places, new], axis=1)[:, -_MOST:]
