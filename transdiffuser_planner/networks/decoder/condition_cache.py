"""Per-scene tensors that all samples and denoise steps share, for ``denoise_step``: the condition graph.

Equal to ``DenoisingDecoder.prepare`` followed by the algebra described in ``denoise_step``. Products of weights are
computed in the constructor, and layers are concatenated in one product.
Letters: A agents, F agent features, D width, G heads, E = D / G, K keys, L layers, T denoise steps.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.networks.attention import CrossAttention, SingleTokenAttention
from transdiffuser_planner.networks.decoder.denoising_decoder import (
    GRIDS,
    MASKED,
    SINGLES_AFTER_ROUTE,
    SINGLES_BEFORE_ROUTE,
    DecoderLayer,
    DenoisingDecoder,
)

NUM_MODULATIONS = 6
MAX_MORE_WORK = 1.2
GLOBAL_NAMES = ("token_input", "token_bias", "modulation")
MULTIPLIED_PARTS = ("key", "key_bias", "value")
ORDINARY_PARTS = ("key", "value", "added")


def grid_parts(decoder: DenoisingDecoder) -> dict[str, tuple[str, ...]]:
    """Map each grid to its prepared parts: multiplied out unless that costs much more than separate projections."""
    width, heads = decoder.config.width, decoder.config.heads
    counts = {name: decoder.positions[f"{name}_tokens"].shape[0] for name in GRIDS[:3]}
    counts["route"] = decoder.contract.num_route_points
    cheap = {name: heads * count <= MAX_MORE_WORK * (width + count) for name, count in counts.items()}
    return {name: MULTIPLIED_PARTS if cheap[name] else ORDINARY_PARTS for name in GRIDS}


def step_names(decoder: DenoisingDecoder) -> list[str]:
    """Names of the results of ``ScenePreparation``, in order."""
    parts = grid_parts(decoder)
    layers = range(decoder.config.layers)
    return [*GLOBAL_NAMES, *(f"{grid}_{part}_{layer}" for grid in GRIDS for part in parts[grid] for layer in layers)]


class PreparedGrid(nn.Module):
    """Keys and values of one grid for all layers."""

    def __init__(self, layers: list[DecoderLayer], name: str, heads: int, *, multiplied_out: bool) -> None:
        super().__init__()
        self.heads, self.multiplied_out = heads, multiplied_out
        grids = [cast(CrossAttention, layer.grids[name]) for layer in layers]
        norms = [cast(nn.LayerNorm, layer.norms[name]) for layer in layers]
        self.weight = _fixed(torch.cat([grid.key_value.weight for grid in grids]))
        self.bias = _fixed(torch.cat([grid.key_value.bias for grid in grids]))
        self.out_bias_LD = _fixed(torch.stack([grid.out.bias for grid in grids]))
        if multiplied_out:
            queries = [_query_rows(grid, norm, heads) for grid, norm in zip(grids, norms, strict=True)]
            self.query_LGRE = _fixed(torch.stack(queries))
            outs = [grid.out.weight.T.reshape(heads, -1, grid.out.weight.shape[0]) for grid in grids]
            self.out_LGED = _fixed(torch.stack(outs))

    def forward(self, memory_KD: Tensor, added_LD: Tensor | None) -> list[Tensor]:
        """Compute the grid's parts, each for all layers in order.

        Args:
            memory_KD: The grid's tokens.
            added_LD: Vectors that are added after reading, or None.

        Returns:
            Multiplied out: keys (D, G K), biases of the scores (G K), values (G K, D) with the vector in them. Else keys
            (G, E, K), values (G, K, E) and the vectors (D).
        """
        count, width = memory_KD.shape
        projected = functional.linear(memory_KD, self.weight, self.bias)
        both = projected.view(count, -1, 2, self.heads, width // self.heads).permute(2, 1, 3, 0, 4)
        key_LGKE, value_LGKE = both[0], both[1]
        added_LD = self.out_bias_LD if added_LD is None else self.out_bias_LD + added_LD
        if not self.multiplied_out:
            return [*key_LGKE.transpose(-1, -2), *value_LGKE, *added_LD]
        layers = added_LD.shape[0]
        rows_LRK = (self.query_LGRE @ key_LGKE.transpose(-1, -2)).transpose(1, 2).reshape(layers, width + 1, -1)
        value_LGKD = value_LGKE @ self.out_LGED + (added_LD / self.heads).view(layers, 1, 1, width)
        return [*rows_LRK[:, :width], *rows_LRK[:, width], *value_LGKD.reshape(layers, -1, width)]


class ScenePreparation(nn.Module):
    """Computes the tensors that the denoise steps of one scene need, by ``step_names``."""

    def __init__(self, decoder: DenoisingDecoder) -> None:
        super().__init__()
        self.decoder = decoder
        layers = [cast(DecoderLayer, layer) for layer in decoder.layers]
        parts = grid_parts(decoder)
        self.grids = nn.ModuleDict(
            {
                name: PreparedGrid(layers, name, decoder.config.heads, multiplied_out=parts[name] == MULTIPLIED_PARTS)
                for name in GRIDS
            }
        )
        self.before_weight, self.before_bias = _merged_singles(layers, SINGLES_BEFORE_ROUTE)
        self.after_weight, self.after_bias = _merged_singles(layers, SINGLES_AFTER_ROUTE)
        if decoder.contract.codebook_size:
            self.token_attention_weight = _fixed(
                torch.cat([layer.token_attention.out.weight @ layer.token_attention.value.weight for layer in layers])
            )
        self.modulation_weight = _fixed(torch.cat([layer.modulation.weight for layer in layers]))
        one = torch.zeros(NUM_MODULATIONS, decoder.config.width)
        one[[1, 4]] = 1.0
        self.modulation_bias = _fixed(torch.cat([layer.modulation.bias + one.flatten() for layer in layers]))

    def forward(
        self, features: dict[str, Tensor], conditions: dict[str, Tensor], agents: Tensor, agents_valid: Tensor
    ) -> dict[str, Tensor]:
        """Prepare one scene.

        Args:
            features: Encoder tokens by the names of ``scene_encoder.FEATURE_NAMES``, (1, K, D).
            conditions: ``core.contract.condition_inputs``.
            agents: Features (1, A, F) of the agents.
            agents_valid: (1, A), 1.0 or 0.0.

        Returns:
            token_input (1 + A, D), token_bias (1, 1, 1, 1 + A), modulation (T + 1, L * 6 * D) with the scales' 1 in it,
            and per grid and layer what ``PreparedGrid`` returns.
        """
        decoder, width = self.decoder, self.decoder.config.width
        motion = decoder.motion_encoder(conditions, agents)
        ego, scene = decoder.summary(motion)
        tokens = torch.cat([ego + decoder.ego_plan.bias, motion.agents[0] + decoder.agent_plan.bias])
        present = torch.cat([torch.ones_like(conditions["status"][:, :1]), agents_valid], dim=1)
        active = functional.silu(decoder.step_embedding.weight + scene)
        table = functional.linear(active, self.modulation_weight, self.modulation_bias)
        before, after = (motion.side_by_side(names) for names in (SINGLES_BEFORE_ROUTE, SINGLES_AFTER_ROUTE))
        last = functional.linear(after, self.after_weight, self.after_bias)
        if motion.action_tokens is not None:
            last = last + functional.linear(motion.action_tokens.source, self.token_attention_weight)
        added = {
            "lidar": functional.linear(before, self.before_weight, self.before_bias).view(-1, width),
            "route": last.view(-1, width),
        }
        values: list[Tensor] = [tokens, (1.0 - present)[:, None, None] * MASKED, table]
        for name in GRIDS:
            positions = f"{name}_tokens"
            memory = motion.route_tokens if name == "route" else features[positions] + decoder.positions[positions]
            values += self.grids[name](memory[0], added.get(name))
        return dict(zip(step_names(decoder), values, strict=True))


def _fixed(value: Tensor) -> nn.Parameter:
    """Wrap a derived weight that is not trained."""
    return nn.Parameter(value.detach().clone(), requires_grad=False)


def _query_rows(grid: CrossAttention, norm: nn.LayerNorm, heads: int) -> Tensor:
    """(G, D + 1, E): the factor from keys to the matrix for normalized tokens; the last row gives the scores' bias."""
    size = grid.query.weight.shape[0] // heads
    weight_GED = (grid.query.weight * norm.weight).view(heads, size, -1)
    offset_GE1 = (grid.query.weight @ norm.bias + grid.query.bias).view(heads, size, 1)
    return torch.cat([weight_GED, offset_GE1], dim=2).transpose(1, 2) * (1.0 / math.sqrt(size))


def _merged_singles(layers: list[DecoderLayer], names: tuple[str, ...]) -> tuple[nn.Parameter, nn.Parameter]:
    """Value and output projections of single tokens as one matrix (L D, number * D) and one bias (L D)."""
    weights, biases = [], []
    for layer in layers:
        singles = [cast(SingleTokenAttention, layer.singles[name]) for name in names]
        weights.append(torch.cat([single.out.weight @ single.value.weight for single in singles], dim=1))
        biases.append(torch.stack([single.out(single.value.bias) for single in singles]).sum(dim=0))
    return _fixed(torch.cat(weights)), _fixed(torch.cat(biases))
