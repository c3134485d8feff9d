"""Backends that run the CNN of a model: PyTorch, MNN, OpenVINO and ONNX Runtime, and their selection.

Not here: recurrent state and outputs per track (`inference/engine.py`).
"""
