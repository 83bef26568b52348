"""Half precision where the processor has it: bfloat16 trains four times faster with it and twenty times slower without."""

from __future__ import annotations

import torch


def has_fast_bfloat16() -> bool:
    """Whether matrix products in bfloat16 are done by the processor (AVX-512 on x86) and not imitated."""
    return bool(torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def autocast() -> torch.autocast:
    """The context in which losses are computed on a CPU; without fast bfloat16 it changes nothing."""
    return torch.autocast("cpu", torch.bfloat16, enabled=has_fast_bfloat16())
