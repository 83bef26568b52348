"""The denoising decoder for inference: one scene, with everything that depends on the scene alone multiplied out once.

Equal to ``denoising_decoder`` and made from its weights; the export checks it. Savings at every step:

- Every query reads few keys, so projection and keys are one matrix: scores = n (diag(w) Wq' K') + b with n the normalized
  token, and values and output projection are another. Heads are concatenated in its columns, without transposes.
- The weights of a head's keys add up to 1, so vectors that are added after reading a grid are added to its values.
- Modulation depends on the scene and k: a table with one row per denoise step, used as the norm's scale and shift.

A grid of many keys keeps the ordinary form, see ``condition_cache.grid_parts``, which also multiplies out the rest.
Letters: M samples, N = 1 + A tokens, P numbers of a plan, D width, G heads, E = D / G, K keys, T denoise steps.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.networks.attention import CrossAttention
from transdiffuser_planner.networks.decoder.condition_cache import MULTIPLIED_PARTS, NUM_MODULATIONS, grid_parts
from transdiffuser_planner.networks.decoder.denoising_decoder import GRIDS, DecoderLayer, DenoisingDecoder


class DenoiseStep(nn.Module):
    """One denoise step k of M samples of one scene."""

    def __init__(self, decoder: DenoisingDecoder) -> None:
        super().__init__()
        self.decoder, self.config = decoder, decoder.config
        self._parts = grid_parts(decoder)

    def forward(self, x_MNP: Tensor, k_1: Tensor, prepared: dict[str, Tensor]) -> Tensor:
        """Predict the noise (M, N, P).

        Args:
            x_MNP: Samples in model space.
            k_1: Denoise step 1..T, integer.
            prepared: Result of ``ScenePreparation``.
        """
        decoder, width = self.decoder, self.config.width
        ego = functional.linear(x_MNP[:, :1], decoder.ego_plan.weight)
        others = functional.linear(x_MNP[:, 1:], decoder.agent_plan.weight)
        x = torch.cat([ego, others], dim=1) + prepared["token_input"]
        size = x.shape[:2]
        x = x.reshape(-1, width)
        rows = prepared["modulation"][k_1][0].split(width)
        for index, layer in enumerate(decoder.layers):
            modulation = rows[index * NUM_MODULATIONS : (index + 1) * NUM_MODULATIONS]
            grids = {
                name: [prepared[f"{name}_{part}_{index}"] for part in parts] for name, parts in self._parts.items()
            }
            x = self._layer(cast(DecoderLayer, layer), x, size, modulation, grids, prepared["token_bias"])
        x = decoder.final_norm(x).view(*size, width)
        ego = decoder.ego_action(x[:, 0])[:, None]
        others = decoder.agent_action(x[:, 1:].reshape(-1, width)).view(size[0], -1, x_MNP.shape[2])
        return torch.cat([ego, others], dim=1)

    def _layer(
        self,
        layer: DecoderLayer,
        x: Tensor,
        size: tuple[int, int],
        modulation: tuple[Tensor, ...],
        grids: dict[str, list[Tensor]],
        bias: Tensor,
    ) -> Tensor:
        """Tokens (M N, D) after a layer."""
        shift1, scale1, gate1, shift2, scale2, gate2 = modulation
        width = self.config.width
        y = functional.layer_norm(x, (width,), scale1, shift1)
        x = x + gate1 * self._among_road_users(layer, y, size, bias)
        x = self._read(layer, "bev", x, grids["bev"]).view(*size, width)
        ego = x[:, 0]
        for name in GRIDS[1:]:
            ego = self._read(layer, name, ego, grids[name])
        x = torch.cat([ego[:, None], x[:, 1:]], dim=1).view(-1, width)
        return x + gate2 * layer.mlp(functional.layer_norm(x, (width,), scale2, shift2))

    def _among_road_users(self, layer: DecoderLayer, y: Tensor, size: tuple[int, int], bias: Tensor) -> Tensor:
        """Self-attention; three projections instead of one, because splitting one result copies it."""
        attention, heads = layer.self_attention, self.config.heads
        if not self.config.joint:
            return cast(Tensor, attention(y))
        weights = zip(attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3), strict=True)
        query, key, value = (
            functional.linear(y, weight, offset).view(*size, heads, -1).transpose(1, 2) for weight, offset in weights
        )
        scores = query @ key.transpose(-1, -2) * (1.0 / math.sqrt(query.shape[-1]))
        read = (scores + bias).softmax(dim=-1) @ value
        return cast(Tensor, attention.out(read.transpose(1, 2).reshape(-1, self.config.width)))

    def _read(self, layer: DecoderLayer, name: str, x: Tensor, grid: list[Tensor]) -> Tensor:
        """Add the result of reading a grid to tokens (any number, D)."""
        width, heads = self.config.width, self.config.heads
        if self._parts[name] == MULTIPLIED_PARTS:
            key_DK, bias_K, value_KD = grid
            scores = torch.addmm(bias_K, functional.layer_norm(x, (width,)), key_DK)
            weights = scores.view(-1, key_DK.shape[1] // heads).softmax(dim=-1)
            return torch.addmm(x, weights.view(-1, key_DK.shape[1]), value_KD)
        key_GEK, value_GKE, added_D = grid
        attention = cast(CrossAttention, layer.grids[name])
        query = attention.query(layer.norms[name](x)).view(-1, heads, width // heads).transpose(0, 1)
        weights = (query @ key_GEK * (1.0 / math.sqrt(width // heads))).softmax(dim=-1)
        read = (weights @ value_GKE).transpose(0, 1).reshape(-1, width)
        return x + torch.addmm(added_D, read, attention.out.weight.T)
