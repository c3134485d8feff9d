"""Imports that are slow, or that fail unless something is checked or declared before them.

Belongs here: imports in the background, garbage collection around imports, checks before rclpy and torchvision.
"""
