"""Denoising decoder: predicts the noise in joint samples of ego and agents, conditioned on the scene.

One token per road user. ``prepare`` runs once per scene: keys and values of every layer, shared by all candidates and
denoise steps; a source of one token needs no query at all (its softmax is 1), so it becomes an added vector.
``forward``
runs once per denoise step k. Each layer: self-attention among the road users of one sample; cross-attention in the paper's
order bird's-eye map, image, LiDAR, own past, ego status, then route, signal, speed limit, action tokens; feed-forward.
Agents read the bird's-eye map only: it shows the agents, and the other sources describe the ego's task.

Letters: B scenes, M samples per scene, N = 1 + A tokens, P = T x 3 numbers of a plan, D width, G heads, K keys.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import ModelContract
from transdiffuser_planner.networks.attention import (
    CrossAttention,
    NoAttention,
    SelfAttention,
    SingleTokenAttention,
    merge_heads,
    split_heads,
)
from transdiffuser_planner.networks.decoder.motion_encoder import SOURCES, MotionEmbeddings, MotionEncoder, mlp
from transdiffuser_planner.networks.network_config import NetworkConfig

GRIDS = ("bev", "image", "lidar", "route")
SINGLES_BEFORE_ROUTE, SINGLES_AFTER_ROUTE = ("action", "ego"), ("signal", "limit")
MASKED = -1e4
GLOBAL_NAMES = ("token_input", "token_bias", "scene_vector")


def layer_names(layer: int) -> list[str]:
    """Names of the prepared tensors of one layer, in order."""
    grids = [f"{grid}_{part}_{layer}" for grid in GRIDS for part in ("key", "value")]
    return [*grids, f"motion_vector_{layer}", f"hint_vector_{layer}"]


def prepared_names(config: NetworkConfig) -> list[str]:
    """Names of the results of ``prepare``, in order."""
    return [*GLOBAL_NAMES, *(name for layer in range(config.layers) for name in layer_names(layer))]


class DecoderLayer(nn.Module):
    """One layer; modulation by scene and denoise step as in AdaLN-Zero (Peebles and Xie 2023)."""

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        width = config.width
        self.self_attention = (SelfAttention if config.joint else NoAttention)(width, config.heads)
        self.grids = nn.ModuleDict({name: CrossAttention(width, config.heads) for name in GRIDS})
        self.singles = nn.ModuleDict(
            {name: SingleTokenAttention(width) for name in (*SINGLES_BEFORE_ROUTE, *SINGLES_AFTER_ROUTE)}
        )
        if contract.codebook_size:
            self.token_attention = SingleTokenAttention(width, bias=False)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in GRIDS})
        self.norm_self = nn.LayerNorm(width, elementwise_affine=False)
        self.norm_mlp = nn.LayerNorm(width, elementwise_affine=False)
        self.mlp = nn.Sequential(nn.Linear(width, config.ffn_width), nn.SiLU(), nn.Linear(config.ffn_width, width))
        self.modulation = nn.Linear(width, 6 * width)
        self.dropout = nn.Dropout(config.dropout)
        nn.init.zeros_(self.modulation.weight)
        with torch.no_grad():
            self.modulation.bias.zero_()
            self.modulation.bias.view(6, width)[[2, 5]] = 1.0

    def prepare(self, memories: dict[str, Tensor], motion: MotionEmbeddings) -> list[Tensor]:
        """Keys (B, G, D, K), values (B, G, K, D) per grid and the two added vectors (B, 1, D)."""
        out: list[Tensor] = []
        for name in GRIDS:
            key, value = self.grids[name].prepare(memories[name])
            out += [key.transpose(-1, -2).contiguous(), value.contiguous()]
        for names in (SINGLES_BEFORE_ROUTE, SINGLES_AFTER_ROUTE):
            added = [self.singles[name](motion.single[name]) for name in names]
            out.append(torch.stack(added).sum(dim=0)[:, None])
        if motion.action_tokens is not None:
            out[-1] = out[-1] + self.token_attention(motion.action_tokens.source)[:, None]
        return out

    def forward(self, x: Tensor, modulation: Tensor, bias: Tensor, prepared: list[Tensor]) -> Tensor:
        """Tokens (B, M, N, D) after the layer.

        Args:
            x: Tokens (B, M, N, D).
            modulation: (B, M, 1, D) or broadcastable: scene and denoise step, after the activation.
            bias: Added to self-attention scores, (B * M or 1, 1, 1, N).
            prepared: Result of ``prepare``.
        """
        batch, samples, count, width = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = self.modulation(modulation).chunk(6, dim=-1)
        y = (self.norm_self(x) * (1.0 + scale1) + shift1).reshape(batch * samples, count, width)
        x = x + gate1 * self.dropout(self.self_attention(y, bias).view(batch, samples, count, width))
        x = x + self._read("bev", x, prepared[0], prepared[1])
        ego, agents = x[:, :, :1], x[:, :, 1:]
        ego = ego + self._read("image", ego, prepared[2], prepared[3])
        ego = ego + self._read("lidar", ego, prepared[4], prepared[5])
        ego = ego + prepared[8][:, None]
        ego = ego + self._read("route", ego, prepared[6], prepared[7])
        ego = ego + prepared[9][:, None]
        x = torch.cat([ego, agents], dim=2)
        return x + gate2 * self.dropout(self.mlp(self.norm_mlp(x) * (1.0 + scale2) + shift2))

    def _read(self, name: str, x: Tensor, key_BGDK: Tensor, value_BGKD: Tensor) -> Tensor:
        """Cross-attention of all tokens of a scene to one grid, with all samples in one axis of queries."""
        batch, samples, count, width = x.shape
        grid = self.grids[name]
        query = split_heads(grid.query(self.norms[name](x).reshape(batch, samples * count, width)), grid.heads)
        scores = query @ key_BGDK * (1.0 / math.sqrt(query.shape[-1]))
        read = grid.out(merge_heads(scores.softmax(dim=-1).to(value_BGKD.dtype) @ value_BGKD))
        return self.dropout(read).view(batch, samples, count, width)


class DenoisingDecoder(nn.Module):
    """The paper's denoising decoder and action decoder for ego and agents together."""

    def __init__(self, config: NetworkConfig, contract: ModelContract, token_counts: dict[str, int]) -> None:
        super().__init__()
        self.config, self.contract = config, contract
        width, plan = config.width, contract.num_plan_steps * 3
        self.motion_encoder = MotionEncoder(config, contract)
        self.positions = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(count, width) * 0.02) for name, count in token_counts.items()}
        )
        self.ego_input = mlp(len(SOURCES) * width, width, width)
        self.scene_vector = mlp(len(SOURCES) * width, width, width)
        self.ego_plan, self.agent_plan = nn.Linear(plan, width), nn.Linear(plan, width)
        self.step_embedding = nn.Embedding(contract.num_denoise_steps + 1, width)
        self.layers = nn.ModuleList([DecoderLayer(config, contract) for _ in range(config.layers)])
        self.final_norm = nn.LayerNorm(width)
        self.ego_action, self.agent_action = mlp(width, width, plan), mlp(width, width, plan)
        for head in (self.ego_action, self.agent_action):
            nn.init.zeros_(head[-1].weight)

    def prepare(
        self, features: dict[str, Tensor], conditions: dict[str, Tensor], agents: Tensor, agents_valid: Tensor
    ) -> dict[str, Tensor]:
        """Compute everything that the denoise steps need, by the names of ``prepared_names``.

        Args:
            features: Encoder tokens by the names of ``scene_encoder.FEATURE_NAMES``, (B, K, D).
            conditions: ``core.contract.condition_inputs``.
            agents: As in ``core.contract.agent_specs``, with any number of agents.
            agents_valid: 1.0 for present agents, else 0.0.
        """
        motion = self.motion_encoder(conditions, agents)
        memories = {name: features[f"{name}_tokens"] + self.positions[f"{name}_tokens"] for name in GRIDS[:3]}
        memories["route"] = motion.route_tokens
        ego, scene = self.summary(motion)
        tokens = torch.cat([ego[:, None], motion.agents], dim=1)
        present = torch.cat([torch.ones_like(conditions["status"][:, :1]), agents_valid], dim=1)
        values: list[Tensor] = [tokens, (1.0 - present)[:, None, None] * MASKED, scene[:, None]]
        for layer in self.layers:
            values += layer.prepare(memories, motion)
        return dict(zip(prepared_names(self.config), values, strict=True))

    def summary(self, motion: MotionEmbeddings) -> tuple[Tensor, Tensor]:
        """Summarize the motion embeddings for the ego's token and for the modulation of every layer: (B, D) each."""
        side_by_side = motion.side_by_side(SOURCES)
        ego, scene = self.ego_input(side_by_side), self.scene_vector(side_by_side)
        for condition in (motion.action_tokens, motion.wanted_scores):
            if condition is not None:
                ego, scene = ego + condition.token, scene + condition.modulation
        return ego, scene

    def forward(self, x: Tensor, k: Tensor, prepared: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Predict the noise.

        Args:
            x: Joint samples (B, M, N, P) in model space.
            k: Denoise step 1..T (0: nothing to denoise) of each sample, integer, (B, M) or (1, 1).
            prepared: Result of ``prepare`` for the B scenes.

        Returns:
            Noise (B, M, N, P) and the ego's representation (B, M, D) before the action decoder.
        """
        batch, samples = x.shape[:2]
        tokens = torch.cat([self.ego_plan(x[:, :, :1]), self.agent_plan(x[:, :, 1:])], dim=2)
        tokens = tokens + prepared["token_input"][:, None]
        bias = prepared["token_bias"]
        if batch > 1:
            bias = bias.repeat_interleave(samples, dim=0)
        modulation = self.step_embedding(k)[:, :, None] + prepared["scene_vector"][:, None]
        modulation = nn.functional.silu(modulation)
        for index, layer in enumerate(self.layers):
            tokens = layer(tokens, modulation, bias, [prepared[name] for name in layer_names(index)])
        tokens = self.final_norm(tokens)
        noise = torch.cat([self.ego_action(tokens[:, :, :1]), self.agent_action(tokens[:, :, 1:])], dim=2)
        return noise, tokens[:, :, 0]
