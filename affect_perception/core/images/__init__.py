"""Image processing on NumPy arrays: encodings, compressed images, face crops.

Not here: sources of images (`sources/`) and drawing (`core/display/`).
"""
