"""Trained weights to ONNX graphs and a model folder. Imports networks, training/engine and runtime."""
