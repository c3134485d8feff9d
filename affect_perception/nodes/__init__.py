"""One thin file per node: a docstring of its topics, the wiring, the callbacks, `main`.

Not here: computation (`core/`, `detectors/`, `inference/`), ROS glue shared by several nodes (`ros/`), the composed
graph (`graph/`).
"""
