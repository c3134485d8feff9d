"""YuNet's weights as OpenCV reads them, made of the file of the shared data."""

from pathlib import Path

import pytest
from conftest import DATA


def yunet_file(folder: Path) -> str:
    """Path of an ONNX file with fixed shapes, as OpenCV's model zoo has it: the shared one has free sizes."""
    source = DATA / 'teacher' / 'yunet_n_dyn.onnx'
    if not source.is_file():
        pytest.skip('no ../shared/data/teacher/yunet_n_dyn.onnx')
    onnx, runtime = (pytest.importorskip(name) for name in ('onnx', 'onnxruntime'))
    model = onnx.load(source)
    for dimension, size in zip(model.graph.input[0].type.tensor_type.shape.dim, (1, 3, 640, 640), strict=True):
        dimension.dim_value = size
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / 'face_detection_yunet_fixed.onnx')
    runtime.InferenceSession(model.SerializeToString(), options, providers=['CPUExecutionProvider'])
    return options.optimized_model_filepath
