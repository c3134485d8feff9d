"""Fast DDS profile of our processes: a socket that holds images of other processes, unless the user has set transports.

With the defaults of Fast DDS, images come through the publisher's shared memory of 512 kB, less than one image at
640x480: best-effort ones get lost, and reliable ones come late, as their pieces are sent again. docs/performance.md has
figures. Every tool and driver on default transports is seen and heard as before.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

PROFILE = Path(__file__).with_name('fastdds_images.xml')
PROFILE_OF_LOCALHOST = Path(__file__).with_name('fastdds_images_localhost.xml')
# The user's choice of transports, which is kept.
GIVEN = (
    'FASTDDS_BUILTIN_TRANSPORTS',
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    'ROS_LOCALHOST_ONLY',  # of Humble: rmw_fastrtps restricts its own transports to the loopback interface
)
_IN_FOLDER = ('DEFAULT_FASTDDS_PROFILES.xml', 'DEFAULT_FASTRTPS_PROFILES.xml')  # which Fast DDS reads by itself
_WANTED = 16 << 20
_ENOUGH = 2 << 20  # bytes of a socket: below it, more is lost over UDP than over shared memory (1280x720, measured)


def use_large_buffers() -> bool:
    """Let Fast DDS use our profile in this process and its children; call before rclpy.init. Returns whether it does.

    Does nothing with another middleware, where the user has chosen profiles or transports, and where the system does
    not grant a socket that is large enough (on Linux: net.core.rmem_max).
    """
    if not os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp').startswith('rmw_fastrtps'):
        return False
    if any(os.environ.get(name) for name in GIVEN) or any(Path(name).exists() for name in _IN_FOLDER):
        return False
    if _granted() < _ENOUGH:
        return False
    is_local = os.environ.get('ROS_AUTOMATIC_DISCOVERY_RANGE', '') == 'LOCALHOST'
    os.environ[_variable()] = str(PROFILE_OF_LOCALHOST if is_local else PROFILE)
    return True


def _granted() -> int:
    """Bytes that a UDP socket may hold here; 0 where that cannot be told."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _WANTED)
            size = probe.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
    except OSError:
        return 0
    return size // 2 if sys.platform == 'linux' else size  # Linux counts its own overhead in


def _variable() -> str:
    """Name of the variable for a file of profiles, which Fast DDS 3 (Kilted) has renamed."""
    try:
        package = Path(get_package_share_directory('rmw_fastrtps_cpp'), 'package.xml').read_text(errors='replace')
    except (PackageNotFoundError, OSError):
        return 'FASTDDS_DEFAULT_PROFILES_FILE'
    return 'FASTDDS_DEFAULT_PROFILES_FILE' if '>fastdds<' in package else 'FASTRTPS_DEFAULT_PROFILES_FILE'
