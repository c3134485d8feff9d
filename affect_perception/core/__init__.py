"""The computation itself: numpy, OpenCV, SciPy, dlib. No ROS, torch, clock, file or thread: time is an argument."""
