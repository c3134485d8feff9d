"""Diagnostics of a node, guards of its callbacks, and log lines of libraries in rclpy's log."""
