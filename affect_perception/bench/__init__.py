"""Benchmarks behind `affect-perception bench`: each prints a table, then one JSON object as the last line.

Not here: evaluation of recordings (`evaluation/`). Only the command line imports this folder.
"""
