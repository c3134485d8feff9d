"""Pixels in, pixels out: image encodings, compressed images and face crops, as NumPy arrays.

Not here: where images come from (`sources/`) and what is drawn into them (`core/display/`).
"""
