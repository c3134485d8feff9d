"""Run a network on tracked faces (`engine.AffectEngine`): crops to embeddings, state per track, outputs per face.

Not here: the networks (`models/`), what runs their CNN (`inference/backends/`), ROS (`nodes/affect_node.py`).
"""
