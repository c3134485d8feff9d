"""Log records of the libraries in real processes with ROS: shown by rclpy's logger, before the first image."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from conftest import wait_until

pytest.importorskip('rclpy', reason='needs ROS 2 (make set-up brings it)')
pytest.importorskip('affect_perception.msg', reason='needs the built messages (make set-up builds them)')

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def test_node_tells_what_it_loads_and_which_backend_it_took():
    command = [sys.executable, '-m', 'affect_perception.nodes.affect_node', '--ros-args', '-p', 'backend:=torch']
    process = subprocess.Popen(command, env=os.environ.copy(), stderr=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(iter(process.stderr.readline, '')), daemon=True)
    reader.start()
    try:
        wait_until(lambda: process.poll() is not None or any('inference.engine' in line for line in list(lines)), 120)
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(120)
        reader.join(60)
    assert status in (0, 130), lines  # 130: interrupted during the start
    assert any('[affect_node]: loading model smile_va' in line for line in lines)
    assert any('[INFO] [' in line and 'affect_perception.inference.engine]: ' in line for line in lines)


def test_records_go_to_stderr_when_the_ros_context_is_down():
    code = (
        'import logging; from affect_perception.ros.health.log_bridge import log_to_ros; log_to_ros()\n'
        'logging.getLogger("affect_perception.test").warning("no context")'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert '[WARN] [affect_perception.test]: no context\n' in result.stderr
