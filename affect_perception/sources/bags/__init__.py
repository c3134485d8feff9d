"""Rosbags (rosbag2 and ROS 1) read without ROS: image source, message reader, recovery of damaged rosbag2 files.

Not here: writing bags (`ros/bag_writer.py`).
"""
