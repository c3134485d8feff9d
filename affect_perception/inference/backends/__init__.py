"""Inference backends of the CNN (PyTorch, MNN, OpenVINO, ONNX Runtime), export to ONNX, and selection of the backend.

Not here: preprocessing, recurrent layers, heads and state per track (`inference/`).
"""
