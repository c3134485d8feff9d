"""Child processes and worker processes: start, messages, detection of a hang, forks, scheduling priority.

Belongs here: what starts, watches or ends another process. Not here: what such a process computes.
"""
