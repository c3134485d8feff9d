"""dlib's face detectors, landmarks and face descriptor, and readers of its weight files.

Not here: anything that is not dlib's; other detectors get a folder of their own beside this one.
"""
