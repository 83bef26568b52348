"""The denoising decoder as it runs on a vehicle: one scene, and all that depends on the scene alone multiplied out once.

Equal to ``denoising_decoder`` and made from its weights; the export checks it. What the algebra saves at every step:

- A query meets few keys, so projection and keys are one matrix: scores = n (diag(w) Wq' K') + b with n the normalised
  token, and values and output projection are another. Heads lie side by side in its columns and nothing is transposed.
- The weights of a head's keys add up to 1, so whatever is added after reading a grid is added to its values.
- Modulation depends on the scene and k: a table with one row per denoise step, used as the norm's scale and shift.

A grid of many keys keeps the ordinary form, see ``is_multiplied_out``.
Letters: M samples, N = 1 + A tokens, P numbers of a plan, D width, G heads, E = D / G, K keys, T denoise steps.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.networks.attention import CrossAttention
from transdiffuser_planner.networks.denoising_decoder import GRIDS, DecoderLayer, DenoisingDecoder

NUM_MODULATIONS = 6
MAX_MORE_WORK = 4.0 / 3.0
GLOBAL_NAMES = ("token_input", "token_bias", "modulation")
ADDED_AFTER = {"lidar": 8, "route": 9}
"""Grid -> index of the vector in ``DecoderLayer.prepare``'s result that is added after it."""


MULTIPLIED_PARTS = ("key", "key_bias", "value")
ORDINARY_PARTS = ("key", "value", "added")


def grid_parts(decoder: DenoisingDecoder) -> dict[str, tuple[str, ...]]:
    """Grid -> its prepared parts: multiplied out unless that costs much more than to project, compare, project back."""
    width, heads = decoder.config.width, decoder.config.heads
    counts = {name: decoder.positions[f"{name}_tokens"].shape[0] for name in GRIDS[:3]}
    counts["route"] = decoder.contract.num_route_points
    cheap = {name: heads * count <= MAX_MORE_WORK * (width + count) for name, count in counts.items()}
    return {name: MULTIPLIED_PARTS if cheap[name] else ORDINARY_PARTS for name in GRIDS}


def step_names(decoder: DenoisingDecoder) -> list[str]:
    """Names of everything that ``ScenePreparation`` returns, in order."""
    parts = grid_parts(decoder)
    layers = range(decoder.config.layers)
    return [*GLOBAL_NAMES, *(f"{grid}_{part}_{layer}" for layer in layers for grid in GRIDS for part in parts[grid])]


class ScenePreparation(nn.Module):
    """Everything the denoise steps of one scene need, by ``step_names``."""

    def __init__(self, decoder: DenoisingDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        self._parts = grid_parts(decoder)

    def forward(
        self, features: dict[str, Tensor], conditions: dict[str, Tensor], agents: Tensor, agents_valid: Tensor
    ) -> dict[str, Tensor]:
        """Arguments as ``DenoisingDecoder.prepare`` with B = 1.

        Returns:
            token_input (N, D), token_bias (1, 1, 1, N), modulation (T + 1, layers * 6 * D). Per layer and grid,
            multiplied out: key (D, G K), key_bias (G K), value (G K, D); else key (G, E, K), value (G, K, E) and the
            vector added (D).
        """
        decoder = self.decoder
        prepared = decoder.prepare(features, conditions, agents, agents_valid)
        tokens = prepared["token_input"][0]
        ego, others = tokens[:1] + decoder.ego_plan.bias, tokens[1:] + decoder.agent_plan.bias
        values = [torch.cat([ego, others]), prepared["token_bias"], self._modulation(prepared["scene_vector"][0])]
        rest = list(prepared.values())[len(GLOBAL_NAMES) :]
        size = len(rest) // len(decoder.layers)
        for index, layer in enumerate(decoder.layers):
            values += _prepare_layer(cast(DecoderLayer, layer), self._parts, rest[index * size : (index + 1) * size])
        return dict(zip(step_names(decoder), values, strict=True))

    def _modulation(self, scene_1D: Tensor) -> Tensor:
        """Table of all denoise steps; scales get their 1 here."""
        active = functional.silu(self.decoder.step_embedding.weight + scene_1D)
        one = torch.zeros(NUM_MODULATIONS, self.decoder.config.width, device=scene_1D.device)
        one[[1, 4]] = 1.0
        layers = [cast(DecoderLayer, layer).modulation(active) + one.flatten() for layer in self.decoder.layers]
        return torch.cat(layers, dim=-1)


def _prepare_layer(layer: DecoderLayer, parts: dict[str, tuple[str, ...]], prepared: list[Tensor]) -> list[Tensor]:
    """The parts of every grid of a layer."""
    out: list[Tensor] = []
    for number, name in enumerate(GRIDS):
        grid = cast(CrossAttention, layer.grids[name])
        key_GEK, value_GKE = prepared[2 * number][0], prepared[2 * number + 1][0]
        added_D = grid.out.bias + prepared[ADDED_AFTER[name]][0, 0] if name in ADDED_AFTER else grid.out.bias
        if parts[name] == MULTIPLIED_PARTS:
            out += _multiply_out(grid, cast(nn.LayerNorm, layer.norms[name]), key_GEK, value_GKE, added_D)
        else:
            out += [key_GEK, value_GKE, added_D]
    return out


def _multiply_out(
    grid: CrossAttention, norm: nn.LayerNorm, key_GEK: Tensor, value_GKE: Tensor, added_D: Tensor
) -> list[Tensor]:
    """Keys (D, G K), bias of the scores (G K) and values (G K, D)."""
    heads, size, count = key_GEK.shape
    width = heads * size
    scaled_GEK = key_GEK * (1.0 / math.sqrt(size))
    query_GDE = (grid.query.weight * norm.weight).view(heads, size, width).transpose(1, 2)
    key_DGK = (query_GDE @ scaled_GEK).transpose(0, 1).reshape(width, heads * count)
    offset_G1E = (grid.query.weight @ norm.bias + grid.query.bias).view(heads, 1, size)
    bias_GK = (offset_G1E @ scaled_GEK).reshape(heads * count)
    out_GED = grid.out.weight.T.reshape(heads, size, width)
    value_GKD = (value_GKE @ out_GED + added_D / heads).reshape(heads * count, width)
    return [key_DGK, bias_GK, value_GKD]


class DenoiseStep(nn.Module):
    """One denoise step k of M samples of one scene."""

    def __init__(self, decoder: DenoisingDecoder) -> None:
        super().__init__()
        self.decoder, self.config = decoder, decoder.config
        self._parts = grid_parts(decoder)

    def forward(self, x_MNP: Tensor, k_1: Tensor, prepared: dict[str, Tensor]) -> Tensor:
        """The predicted noise (M, N, P).

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
        """Self-attention; three projections instead of one, because taking one apart copies it."""
        attention, heads = layer.self_attention, self.config.heads
        weights = zip(attention.qkv.weight.chunk(3), attention.qkv.bias.chunk(3), strict=True)
        query, key, value = (
            functional.linear(y, weight, offset).view(*size, heads, -1).transpose(1, 2) for weight, offset in weights
        )
        scores = query @ key.transpose(-1, -2) * (1.0 / math.sqrt(query.shape[-1]))
        read = (scores + bias).softmax(dim=-1) @ value
        return cast(Tensor, attention.out(read.transpose(1, 2).reshape(-1, self.config.width)))

    def _read(self, layer: DecoderLayer, name: str, x: Tensor, grid: list[Tensor]) -> Tensor:
        """Tokens (any number, D) and what they read from a grid."""
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
