"""Reference convolution: the unit R for comparing durations across machines, one convolution in ONNX Runtime.

3x3, 256 channels, 64 x 64, batch 1, fp32, two threads: about 10 ms on a quiet two-core machine with AVX-512, 26 ms with
AVX2. Times are stated as multiples of R measured in the same minute.
"""

from __future__ import annotations

import base64
import time

import numpy as np
import onnxruntime

NUM_THREADS = 2
NUM_OPERATIONS = 2 * 256 * 256 * 3 * 3 * 64 * 64
"""Multiplications and additions of R."""

# onnx.helper: ConstantOfShape([256, 256, 3, 3], 0.01) -> w; Conv(x, w, pads 1) -> y; opset 17. Small enough to be inline.
GRAPH = base64.b64decode(
    "CAg6uAEKNgoFc2hhcGUSAXciD0NvbnN0YW50T2ZTaGFwZSoZCgV2YWx1ZSoNCAEQASIECtcjPEIBdqABBAoiCgF4CgF3EgF5IgRDb252KhEKBHBhZHNA"
    "AUABQAFAAaABBxIJcmVmZXJlbmNlKhMIBBAHOgaAAoACAwNCBXNoYXBlWhwKAXgSFwoVCAESEQoCCAEKAwiAAgoCCEAKAghAYhwKAXkSFwoVCAESEQoC"
    "CAEKAwiAAgoCCEAKAghAQgQKABAR"
)


class ReferenceConvolution:
    """Measures the duration R of the reference convolution.

    Args:
        num_threads: Threads within the convolution; R itself is that of two.
    """

    def __init__(self, num_threads: int = NUM_THREADS) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(GRAPH, options, providers=["CPUExecutionProvider"])
        self._input = np.random.default_rng(0).standard_normal((1, 256, 64, 64), dtype=np.float32)
        self.once_ms()

    def once_ms(self) -> float:
        """Run once and return the duration in milliseconds."""
        begin = time.perf_counter()
        self._session.run(None, {"x": self._input})
        return (time.perf_counter() - begin) * 1e3
