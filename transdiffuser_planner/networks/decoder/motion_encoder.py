"""Motion encoder: ego past, status, route, signal, speed limit, action tokens and agents as embeddings; each may be missing.

Letters: B batch, D width, S history steps, R route points, A agents, F agent features, E hidden width.
An absent source is replaced by a learned embedding, never by zeros; absent action tokens are no missing source.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from transdiffuser_planner.core.contract import NUM_AGENT_FEATURES, AgentIndex, ModelContract, StatusIndex
from transdiffuser_planner.networks.decoder.action_token_encoder import ActionTokenConditioning, ActionTokenEncoder
from transdiffuser_planner.networks.decoder.score_condition_encoder import ScoreConditionEncoder, ScoreConditioning
from transdiffuser_planner.networks.encoder.fusion import mix
from transdiffuser_planner.networks.network_config import NetworkConfig

POSITION_SCALE_M = 20.0
SPEED_SCALE_MPS = 10.0
ACCELERATION_SCALE_MPS2 = 3.0
LIMIT_SCALE_MPS = 15.0
BOX_SCALE_M = 5.0
FAR_M = 100.0
AGENT_SCALES = {
    int(AgentIndex.X_M): 1.0 / POSITION_SCALE_M,
    int(AgentIndex.Y_M): 1.0 / POSITION_SCALE_M,
    int(AgentIndex.SPEED_MPS): 1.0 / SPEED_SCALE_MPS,
    int(AgentIndex.LENGTH_M): 1.0 / BOX_SCALE_M,
    int(AgentIndex.WIDTH_M): 1.0 / BOX_SCALE_M,
}


def mlp(in_features: int, hidden: int, out_features: int) -> nn.Sequential:
    """Two linear layers with a SiLU between them."""
    return nn.Sequential(nn.Linear(in_features, hidden), nn.SiLU(), nn.Linear(hidden, out_features))


@dataclass(frozen=True, slots=True)
class MotionEmbeddings:
    """Embeddings of all inputs except the sensors.

    Attributes:
        single: (B, D) by the names of ``SOURCES``.
        route_tokens: The route's points, (B, R, D).
        agents: One embedding per agent, (B, A, D); meaningless where agents_valid is 0.
        action_tokens: Conditioning by action tokens; None without tokens.
        wanted_scores: Conditioning by wanted scores; None without them.
    """

    single: dict[str, Tensor]
    route_tokens: Tensor
    agents: Tensor
    action_tokens: ActionTokenConditioning | None = None
    wanted_scores: ScoreConditioning | None = None

    def side_by_side(self, names: tuple[str, ...]) -> Tensor:
        """Single-token embeddings, (B, number * D)."""
        return torch.cat([self.single[name] for name in names], dim=-1)


SOURCES = ("action", "ego", "route", "signal", "limit")
"""The paper's Emb_action (own past) and Emb_ego (status), the whole route pooled, next signal, speed limit."""


class MotionEncoder(nn.Module):
    """MLPs over ``core.contract.condition_inputs`` and the agents."""

    def __init__(self, config: NetworkConfig, contract: ModelContract) -> None:
        super().__init__()
        width, hidden = config.width, config.embed_width
        self.contract = contract
        self.action = mlp(contract.num_history * 4, hidden, width)
        self.ego = mlp(9, hidden, width)
        self.route = mlp(contract.num_route_points * 3, 2 * hidden, width)
        self.route_point = mlp(6, hidden, width)
        self.signal = mlp(4, hidden, width)
        self.limit = mlp(2, hidden, width)
        self.agent = mlp(NUM_AGENT_FEATURES + 4, hidden, width)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(width) for name in SOURCES})
        absent = ("action", "route", "route_point", "signal", "limit")
        if contract.codebook_size:
            self.action_token_encoder = ActionTokenEncoder(config, contract)
        if contract.score_condition:
            self.score_condition_encoder = ScoreConditionEncoder(config)
        self.missing = nn.ParameterDict({name: nn.Parameter(torch.randn(width) * 0.02) for name in absent})
        index = torch.linspace(0.0, 1.0, contract.num_route_points)
        self.register_buffer("route_index_R1", index[:, None], persistent=False)

    def forward(self, conditions: dict[str, Tensor], agents_BAF: Tensor) -> MotionEmbeddings:
        """Embed a batch.

        Args:
            conditions: ``core.contract.condition_inputs`` by name; action tokens and wanted scores may be left out.
            agents_BAF: Features of AgentIndex.
        """
        c = conditions
        route_valid_BR = c["route_valid"]
        has_route_B = route_valid_BR.amax(dim=1)
        has_past_B = c["history_valid"][:, :-1].amax(dim=1)
        tokens = mix(self.route_point(self._route_points(c)), route_valid_BR, self.missing["route_point"])
        single = {
            "action": self._finish("action", self.action(_history(c)), has_past_B),
            "ego": self._finish("ego", self.ego(_status(c)), None),
            "route": self._finish("route", self.route(_flat_route(c)), has_route_B),
            "signal": self._finish("signal", self.signal(c["signal"]), c["signal_valid"][:, 0]),
            "limit": self._finish("limit", self.limit(_limit(c)), c["speed_limit_valid"][:, 0]),
        }
        has_scores = self.contract.score_condition and "wanted_scores" in c
        has_tokens = self.contract.codebook_size and "action_tokens" in c
        return MotionEmbeddings(
            single=single,
            route_tokens=tokens,
            agents=self.agent(_agents(agents_BAF, c["route"], route_valid_BR, self.contract)),
            action_tokens=self.action_token_encoder(c["action_tokens"], c["action_tokens_valid"])
            if has_tokens
            else None,
            wanted_scores=self.score_condition_encoder(c["wanted_scores"], c["wanted_scores_valid"])
            if has_scores
            else None,
        )

    def _finish(self, name: str, embedding_BD: Tensor, valid_B: Tensor | None) -> Tensor:
        """Normalize, then put the learned embedding where the source is missing."""
        normed = self.norms[name](embedding_BD)
        return normed if valid_B is None else mix(normed[:, None], valid_B[:, None], self.missing[name])[:, 0]

    def _route_points(self, c: dict[str, Tensor]) -> Tensor:
        """Per point: position on two scales, direction to the next point, index: (B, R, 6)."""
        xy = c["route"]
        step = xy[:, 1:] - xy[:, :-1]
        step = torch.cat([step, step[:, -1:]], dim=1) / self.contract.route_spacing_m
        index = self.route_index_R1.expand(xy.shape[0], -1, -1)
        lateral = torch.tanh(xy[..., 1:] / 3.0)
        return torch.cat([xy / POSITION_SCALE_M, step, lateral, index], dim=-1)


def _history(c: dict[str, Tensor]) -> Tensor:
    """(B, S * 4): scaled poses and validity."""
    valid = c["history_valid"][..., None]
    scale = c["history"].new_tensor([1.0 / SPEED_SCALE_MPS, 1.0, 3.0])
    return torch.cat([c["history"] * scale * valid, valid], dim=-1).flatten(1)


def _status(c: dict[str, Tensor]) -> Tensor:
    """(B, 9): command, velocity, acceleration (0 when unknown) and whether it is known."""
    status, known = c["status"], c["acceleration_valid"]
    velocity = status[:, StatusIndex.VX_MPS : StatusIndex.AX_MPS2] / SPEED_SCALE_MPS
    acceleration = status[:, StatusIndex.AX_MPS2 :] / ACCELERATION_SCALE_MPS2 * known
    return torch.cat([status[:, : StatusIndex.VX_MPS], velocity, acceleration, known], dim=-1)


def _flat_route(c: dict[str, Tensor]) -> Tensor:
    """(B, R * 3): scaled points and validity."""
    valid = c["route_valid"][..., None]
    scale = c["route"].new_tensor([1.0 / POSITION_SCALE_M, 1.0 / 5.0])
    return torch.cat([c["route"] * scale * valid, valid], dim=-1).flatten(1)


def _limit(c: dict[str, Tensor]) -> Tensor:
    """(B, 2): speed limit and how far the current speed is below it."""
    limit, speed = c["speed_limit"], c["status"][:, StatusIndex.VX_MPS : StatusIndex.VY_MPS]
    return torch.cat([limit / LIMIT_SCALE_MPS, (limit - speed) / SPEED_SCALE_MPS], dim=-1)


def _agents(agents_BAF: Tensor, route_BR2: Tensor, route_valid_BR: Tensor, contract: ModelContract) -> Tensor:
    """Scaled agent features and the agent's position along and across the route, (B, A, F + 4)."""
    xy = agents_BAF[..., :2]
    gap = torch.linalg.vector_norm(xy[:, :, None] - route_BR2[:, None], dim=-1) + FAR_M * (
        1.0 - route_valid_BR[:, None]
    )
    nearest = gap.amin(dim=-1, keepdim=True)
    soft = torch.softmax(-2.0 * (gap - nearest), dim=-1)
    index = torch.arange(route_BR2.shape[1], device=gap.device, dtype=gap.dtype)
    along = (soft * index).sum(dim=-1, keepdim=True) * contract.route_spacing_m
    near = torch.exp(-nearest / 3.0)
    distance = torch.linalg.vector_norm(xy, dim=-1, keepdim=True)
    scale = gap.new_tensor([AGENT_SCALES.get(index, 1.0) for index in range(NUM_AGENT_FEATURES)])
    extra = [torch.clamp(nearest, max=10.0) / 5.0, near, near * along / POSITION_SCALE_M, distance / POSITION_SCALE_M]
    return torch.cat([agents_BAF * scale, *extra], dim=-1)
