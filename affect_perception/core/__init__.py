"""Computation on images, faces and results with NumPy, OpenCV and SciPy; time is an argument.

Not here: ROS, torch, clocks, files and threads (`ros/`, `inference/`, `runtime/`).
"""
