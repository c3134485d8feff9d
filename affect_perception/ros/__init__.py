"""ROS 2 glue shared by the nodes: message conversions, parameters, QoS, diagnostics, lifecycle, executors, bag writer.

Not here: nodes (`nodes/`), and computation of any kind (`core/`).
"""
