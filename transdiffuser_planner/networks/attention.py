"""Multi-head attention written so that keys and values can be computed once and shared by many queries.

Letters: B batch, N queries, K keys, C width, G heads, D width of a head.
"""

from __future__ import annotations

import math
from typing import cast

from torch import Tensor, nn


def split_heads(x_BNC: Tensor, heads: int) -> Tensor:
    """(B, N, C) -> (B, G, N, D)."""
    batch, count, width = x_BNC.shape
    return x_BNC.view(batch, count, heads, width // heads).transpose(1, 2)


def merge_heads(x_BGND: Tensor) -> Tensor:
    """(B, G, N, D) -> (B, N, C)."""
    batch, heads, count, width = x_BGND.shape
    return x_BGND.transpose(1, 2).reshape(batch, count, heads * width)


def attend(query_BGND: Tensor, key_BGKD: Tensor, value_BGKD: Tensor, bias: Tensor | None = None) -> Tensor:
    """Softmax attention (B, G, N, D); bias is added to the scores and broadcasts to (B, G, N, K).

    Plain matrix products: for the few tokens used here they train faster on a CPU than torch's fused kernel.
    """
    scores = query_BGND @ key_BGKD.transpose(-1, -2) * (1.0 / math.sqrt(query_BGND.shape[-1]))
    scores = scores if bias is None else scores + bias
    return scores.softmax(dim=-1).to(value_BGKD.dtype) @ value_BGKD


class SelfAttention(nn.Module):
    """Attention of tokens to each other."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x_BNC: Tensor, bias: Tensor | None = None) -> Tensor:
        """Tokens of the same shape; bias broadcasts to (B, G, N, N)."""
        query, key, value = (split_heads(part, self.heads) for part in self.qkv(x_BNC).chunk(3, dim=-1))
        return self.out(merge_heads(attend(query, key, value, bias)))


class NoAttention(SelfAttention):
    """The same layer without attention between tokens: each reads its own value."""

    def forward(self, x_BNC: Tensor, bias: Tensor | None = None) -> Tensor:
        """Tokens of the same shape; the bias has no effect."""
        return cast(Tensor, self.out(self.qkv(x_BNC).chunk(3, dim=-1)[2]))


class CrossAttention(nn.Module):
    """Attention of queries to a memory whose keys and values are prepared beforehand."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def prepare(self, memory_BKC: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values (B, G, K, D) of a memory."""
        key, value = self.key_value(memory_BKC).chunk(2, dim=-1)
        return split_heads(key, self.heads), split_heads(value, self.heads)

    def forward(self, x_BNC: Tensor, key_BGKD: Tensor, value_BGKD: Tensor, bias: Tensor | None = None) -> Tensor:
        """Attend from queries (B, N, C) to prepared keys and values; the result has the shape of the queries."""
        return self.out(merge_heads(attend(split_heads(self.query(x_BNC), self.heads), key_BGKD, value_BGKD, bias)))


class SingleTokenAttention(nn.Module):
    """Attention to a memory of one token: the softmax over one key is 1, so the result does not depend on the query."""

    def __init__(self, width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.value = nn.Linear(width, width, bias=bias)
        self.out = nn.Linear(width, width, bias=bias)

    def forward(self, memory_BC: Tensor) -> Tensor:
        """Return the vector (B, C) that every query reads."""
        return self.out(self.value(memory_BC))
