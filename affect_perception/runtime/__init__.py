"""Threads, child processes, files and devices, without ROS: mechanisms that know nothing of faces.

Belongs here: newest-item slots, child processes, prefetching. Not here: anything that needs another folder of ours.
"""
