"""Graphs rewritten to compute the same with fewer and cheaper operators. Imports onnx, onnxruntime, core and numpy."""
