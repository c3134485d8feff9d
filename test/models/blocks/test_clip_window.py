"""Selection of frames: evenly spaced, best of equal chunks, and slots of a live window."""

import torch

from affect_perception.models.blocks import clip_window


def test_evenly_spaced_frames_span_the_clip_and_repeat_in_short_ones():
    assert clip_window.evenly_spaced(320, 32).tolist() == list(range(0, 320, 10))
    assert clip_window.evenly_spaced(3, 4).tolist() == [0, 0, 1, 2]


def test_the_best_frame_of_each_equal_chunk_is_selected():
    scores = torch.tensor([[0.1, 0.9, 0.2, 0.3, 0.8, 0.1, 0.4, 0.4]])
    index, mask = clip_window.best_of_chunks(scores, torch.ones(1, 8, dtype=torch.bool), 4)
    assert index.tolist() == [[1, 3, 4, 6]]
    assert mask.all()


def test_chunks_divide_the_frames_that_exist():
    scores = torch.tensor([[9.0, 0.1, 0.9, 9.0, 0.3, 0.2, 9.0]])
    mask = torch.tensor([[False, True, True, False, True, True, False]])
    index, chosen = clip_window.best_of_chunks(scores, mask, 2)
    assert index.tolist() == [[2, 4]]
    assert chosen.all()


def test_a_clip_shorter_than_the_selection_leaves_masked_places():
    index, chosen = clip_window.best_of_chunks(torch.rand(1, 2), torch.ones(1, 2, dtype=torch.bool), 4)
    assert int(chosen.sum()) == 2
    assert sorted(index[chosen].tolist()) == [0, 1]


def fill(gaps: list[float], scores: list[float] | None = None, slots: int = 3, slot_s: float = 1.0) -> torch.Tensor:
    """State after frames numbered 1, 2, … (embedding of one number) with the gaps before them."""
    state = clip_window.empty(torch.zeros(1), 1, slots, 1)
    for i, gap in enumerate(gaps):
        score = torch.tensor([scores[i] if scores else 0.0])
        state = clip_window.push(state, torch.tensor([[i + 1.0]]), score, torch.tensor([gap]), slot_s)
    return state


def kept(state: torch.Tensor) -> list[float]:
    frames, mask = clip_window.frames(state)
    return frames[mask][:, 0].tolist()


def test_a_slot_keeps_its_first_frame_or_its_best():
    assert kept(fill([9.0, 0.5, 0.5, 0.5, 0.5])) == [1, 3, 5]
    assert kept(fill([9.0, 0.5, 0.5, 0.5, 0.5], [0.1, 0.7, 0.9, 0.2, 0.0])) == [2, 3, 5]


def test_the_oldest_slot_leaves_a_full_window():
    assert kept(fill([0.0, *[1.0] * 4])) == [3, 4, 5]


def test_slots_do_not_drift_at_a_rate_that_does_not_divide_them():
    state = fill([0.0] + [0.3] * 40, slots=20)
    assert kept(state) == [1 + -(-second * 10 // 3) for second in range(13)]


def test_a_pause_begins_one_new_slot():
    assert kept(fill([0.0, 30.0, 0.5])) == [1, 2]
