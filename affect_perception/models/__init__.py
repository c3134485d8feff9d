"""Networks, one file each, and the files their weights are kept in (`checkpoint.py`).

To add a network: write `models/<name>.py` with a class like `FirstModel` (its docstring lists what a model must have)
and name it here.
"""

from affect_perception.models.first import FirstModel
from affect_perception.models.smile_va import SmileVa
from affect_perception.models.witzig2019 import Witzig2019

MODELS: dict[str, type] = {'first': FirstModel, 'smile_va': SmileVa, 'witzig2019': Witzig2019}
