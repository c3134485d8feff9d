"""Rosbags (rosbag2 and ROS 1) read without ROS: image source, message reader and recovery of damaged files.

Not here: writing bags (`ros/bag_writer.py`).
"""
