"""Geometry and pixels of visualisations: RViz markers, annotated images and overlays.

Not here: messages (`ros/`) and the web page (`dashboard/`).
"""
