"""The built-in scripted scene: portraits with known boxes, ids and smile levels for demos, tests and benchmarks.

Not here: training sequences (`training/synthetic/`).
"""
