"""The whole node graph in one process, the `run` command, and the viewers' process.

Not here: single nodes (`nodes/`).
"""
