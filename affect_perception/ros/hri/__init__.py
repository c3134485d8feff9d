"""ROS4HRI (REP 155): its fields from our records (`ros4hri`) and its messages (`messages`).

Not here: the node that publishes (`nodes/hri_node.py`).
"""
