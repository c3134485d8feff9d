"""The whole node graph in one process, the `run` command, and the process of the viewers.

Not here: single nodes (`nodes/`).
"""
