"""PyTorch networks, one file per paper or design (`MODELS`), their shared layers, and checkpoints.

Not here: running a network on live tracks (`inference/`) and training (`training/`).

Networks that reproduce papers are `SequenceModel`s, which one trainer serves: `inputs` says what they read (crop side,
frames, audio features), `forward(batch)` maps a dict of tensors to a dict of outputs, `loss(outputs, targets)` returns
the scalar and its parts, `metrics` names functions of `blocks.objectives.METRICS` and the output that each compares
with the target of that name, `settings` rebuilds the network. Those with two `players` alternate two optimisers: one
step of `parameters_of`, `forward` and `loss` for each player.

To add a network: write `models/<name>.py` with a subclass of `FaceModel` or `TemporalModel` (`face_model.py` lists the
methods), add a row to MODELS.
"""

from affect_perception.models.aspandi2020 import Aspandi2020
from affect_perception.models.face_model import FaceModel
from affect_perception.models.parthasarathy2020 import Parthasarathy2020
from affect_perception.models.qian2023 import Qian2023
from affect_perception.models.smile_va import SmileVa
from affect_perception.models.vielzeuf2018 import Vielzeuf2018
from affect_perception.models.witzig2019 import Witzig2019

MODELS: dict[str, type[FaceModel]] = {
    'smile_va': SmileVa,
    'witzig2019': Witzig2019,
    'qian2023': Qian2023,
    'vielzeuf2018': Vielzeuf2018,
    'parthasarathy2020': Parthasarathy2020,
    'aspandi2020': Aspandi2020,
}
