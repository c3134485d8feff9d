"""Sound: clocks, resampling, acoustic features, speech activity, meeting of sound and picture by stamp, who speaks.

`FeatureStream` turns blocks of samples of any rate into frames of features at 16 kHz mono, with the stamps of the
samples. Not here: where sound comes from (`sources/sound/`), messages (`ros/`).
"""
