"""The computation itself: numpy, OpenCV, SciPy and dlib only. No ROS, torch, clock, file or thread: time is an argument."""
