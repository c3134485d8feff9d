"""Threads, processes, files and devices, without ROS: mechanisms that know nothing of faces.

Belongs here: newest-item slots, prefetching, files, devices, errors of loops; `processes/` and `imports/` import from
this folder, not the other way round. Not here: anything that needs another folder of ours.
"""
