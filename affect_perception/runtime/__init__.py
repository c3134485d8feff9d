"""Threads, child processes, files and devices, without ROS: mechanisms that know nothing of faces.

Belongs here: newest-item slots, child processes, priorities, prefetching. Not here: anything that imports another folder of the package.
"""
