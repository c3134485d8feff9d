"""PyTorch networks, one file per paper or design (`MODELS`), their shared layers, and checkpoints.

Not here: running a network on live tracks (`inference/`) and training (`training/`).

To add a network: write `models/<name>.py` with a subclass of `FaceModel` or `TemporalModel` (`face_model.py` lists the
methods), add a row to MODELS.
"""

from affect_perception.models.face_model import FaceModel
from affect_perception.models.first import FirstModel
from affect_perception.models.smile_va import SmileVa
from affect_perception.models.witzig2019 import Witzig2019

MODELS: dict[str, type[FaceModel]] = {'first': FirstModel, 'smile_va': SmileVa, 'witzig2019': Witzig2019}
