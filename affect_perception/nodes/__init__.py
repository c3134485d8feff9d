"""The ROS 2 graph, and the only folder that imports rclpy or messages. Nodes are thin: what they compute is in `core/`.

`conversions` makes and reads messages, `parameters` turns settings into parameters, `qos` holds the three policies,
`diagnostics` counts and reports, `graph` runs all nodes in one process.
"""
