"""Prints who smiles, and ends after the first message with a face."""

import sys

import rclpy
from rclpy.node import Node

from affect_perception.msg import FaceAffectArray


def main():
    rclpy.init()
    node, heard = Node('listener'), []
    node.create_subscription(FaceAffectArray, 'face_affect', lambda msg: heard.extend(msg.faces), 10)
    while rclpy.ok() and not heard:
        rclpy.spin_once(node, timeout_sec=0.2)
    for face in heard:
        sys.stdout.write(f'{face.track_id} {face.smile_intensity:.2f}\n')
    node.destroy_node()
    rclpy.try_shutdown()
