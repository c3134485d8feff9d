"""Outputs for RViz: marker messages and overlay images.

Not here: geometry and drawing (`core/display/`), the node (`nodes/marker_node.py`).
"""
