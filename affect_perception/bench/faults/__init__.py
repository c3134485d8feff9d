"""Benchmark of faults: parts of a running graph are killed, stopped, starved, filled and corrupted one by one."""
