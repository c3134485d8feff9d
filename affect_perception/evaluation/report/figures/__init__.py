"""Figures of report.html as SVG text, drawn by matplotlib: `plots` has one function per figure, `svg` the styling.

Not here: which figures a section shows (`../smile_sections.py` and its siblings).
"""
