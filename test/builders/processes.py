"""Functions for worker processes, which must be able to import them."""

import os

import torch


def power(exponent: int, number: int) -> int:
    """number ** exponent, by a parallel region of torch, as in a rendered film."""
    return int(torch.full((64, 64), float(number)).pow(exponent).mean())


def dying(number: int) -> int:
    """End the process."""
    os._exit(3)
