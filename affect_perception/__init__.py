"""Smile intensity, valence and arousal of every person in view, as a ROS 2 package and as a plain Python library.

Importing this package needs neither ROS nor torch nor dlib; each subfolder asks for what it uses.
Start at `types.py` (what flows), `settings/` (what can be set) and `core/` (what is computed).
"""

import os
import pkgutil

# Read when torch is loaded. Its threads otherwise wait for each other by spinning, and next to any other busy process a
# batch takes many times as long (measured: a detection of 62 ms took 555 ms with one of two cores busy).
os.environ.setdefault('OMP_WAIT_POLICY', 'passive')

# The generated messages (`affect_perception.msg`) are installed by colcon, maybe elsewhere than this file: both halves
# must be found under one name. The folder of the real file comes first, so that after `colcon build --symlink-install`
# a new file in the source tree is found without building again.
__path__ = [os.path.dirname(os.path.realpath(__file__)), *pkgutil.extend_path(__path__, __name__)]

__version__ = '0.1.0'
