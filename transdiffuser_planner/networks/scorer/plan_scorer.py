"""Predicts the PDM sub-scores of candidate plans from the planner's perception.

Features are gathered at the poses of a plan: the probability of road under the corners of the footprint, the gap to every
agent in the same joint sample, the share of all samples with an agent nearby, the distance from the route. Then the plan
as a whole attends to the bird's-eye tokens, as in the scorers of Hydra-MDP (Li et al. 2024) and GTRS (2025).

Letters: B scenes, M plans, S samples of the agents' futures (one for each plan), T plan steps, A agents, R route points, K
tokens, D width, L bird's-eye cells, C classes.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from transdiffuser_planner.core.contract import SCORE_NAMES, AgentIndex, BevClass, ModelContract
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.networks.attention import CrossAttention
from transdiffuser_planner.networks.decoder.motion_encoder import mlp
from transdiffuser_planner.networks.network_config import NetworkConfig

_DRIVABLE = (BevClass.ROAD, BevClass.CENTER_LINE, BevClass.VEHICLE)
_NUM_KINEMATIC, _NUM_ROAD, _NUM_ROUTE, _NUM_AGENT, _NUM_CHANCE = 9, 6, 3, 12, 6
_AGENT_WIDTH, _STEP_WIDTH = 32, 64
_STATUS_SCALE = (1.0, 1.0, 1.0, 1.0, 0.1, 0.5, 0.3, 0.3)
_FAR = 1e4
_TOUCHING_M = 0.2
_EPSILON = 1e-4


class PlanScorer(nn.Module):
    """Logits of the sub-scores of every plan. Q sub-scores.

    Attributes:
        contract: Sizes of all tensors.
        vehicle: Footprint of the features; its dimensions become constants of the exported graph.
    """

    def __init__(self, config: NetworkConfig, contract: ModelContract, vehicle: VehicleModel) -> None:
        super().__init__()
        self.contract, self.vehicle = contract, vehicle
        self.register_buffer("route_index_R", torch.linspace(0.0, 1.0, contract.num_route_points), persistent=False)
        self.register_buffer("status_scale_8", torch.tensor(_STATUS_SCALE), persistent=False)
        width = config.width
        self.agent = mlp(_NUM_AGENT, 2 * _AGENT_WIDTH, _AGENT_WIDTH)
        gathered = _NUM_KINEMATIC + _NUM_ROAD + _NUM_ROUTE + _AGENT_WIDTH + _NUM_CHANCE
        self.step = mlp(gathered, 2 * _STEP_WIDTH, _STEP_WIDTH)
        self.plan = mlp(_STEP_WIDTH * contract.num_plan_steps, 2 * width, width)
        self.context = mlp(8 + 4 + 1 + 2, width, width)
        self.norm = nn.LayerNorm(width)
        self.bev = CrossAttention(width, config.heads)
        self.dropout = nn.Dropout(config.dropout)
        self.out = nn.Sequential(nn.LayerNorm(width), mlp(width, width, len(SCORE_NAMES)))

    def forward(self, pose_BMT3: Tensor, agent_BMAT3: Tensor, scene: dict[str, Tensor]) -> Tensor:
        """Predict logits (B, M, Q) of ``core.contract.SCORE_NAMES``.

        Args:
            pose_BMT3: Plans in base_link, meters and radians.
            agent_BMAT3: The agents' predicted centers and headings with each plan.
            scene: ``core.contract.SCORER_INPUTS``, as the encoder and the conditioner have them.
        """
        steps = torch.cat(
            [
                _kinematics(pose_BMT3, scene["status"], self.contract.plan_interval_s),
                self._road(pose_BMT3, scene["bev_logits"]),
                _along_route(pose_BMT3, scene["route"], scene["route_valid"], self.route_index_R),
                self._agents(pose_BMT3, agent_BMAT3, scene["agents"], scene["agents_valid"]),
                _chance_of_contact(pose_BMT3, agent_BMAT3, scene, self.vehicle),
                _chance_of_contact(_carried_on(pose_BMT3), _next(agent_BMAT3), scene, self.vehicle),
            ],
            dim=-1,
        )
        plan_BMD = self.plan(self.dropout(self.step(steps)).flatten(2))
        plan_BMD = plan_BMD + self.context(_context(scene, self.status_scale_8))[:, None]
        key, value = self.bev.prepare(scene["bev_tokens"])
        plan_BMD = plan_BMD + self.dropout(self.bev(self.norm(plan_BMD), key, value))
        return torch.as_tensor(self.out(plan_BMD))

    def _road(self, pose_BMT3: Tensor, logits_BCLL: Tensor) -> Tensor:
        """Probability of road under the center and the four corners, and of a vehicle under the center: (B, M, T, 6)."""
        chance = logits_BCLL.softmax(dim=1)
        drivable = chance[:, list(_DRIVABLE)].sum(dim=1, keepdim=True)
        grid = torch.cat([drivable, chance[:, BevClass.VEHICLE : BevClass.VEHICLE + 1]], dim=1)
        point_BMTP2 = _footprint(pose_BMT3, self.vehicle)
        batch, plans, steps, points = point_BMTP2.shape[:4]
        # Row 0 of the grid is ahead, column 0 is left: sampling expects (column, row), each from -1 to 1.
        at = -point_BMTP2.flip(-1) / self.contract.range_m
        read = functional.grid_sample(grid, at.reshape(batch, plans * steps, points, 2), align_corners=False)
        read_BMTP2 = read.reshape(batch, 2, plans, steps, points).permute(0, 2, 3, 4, 1)
        return torch.cat([read_BMTP2[..., 0], read_BMTP2[..., :1, 1]], dim=-1)

    def _agents(self, pose_BMT3: Tensor, agent_BMAT3: Tensor, agents_BAF: Tensor, valid_BA: Tensor) -> Tensor:
        """Features of the agents at every pose, maximum over the agents: (B, M, T, width)."""
        center = _center(pose_BMT3, self.vehicle)
        delta = agent_BMAT3[..., :2] - center[:, :, None]
        heading = pose_BMT3[:, :, None, :, 2]
        cos, sin = heading.cos(), heading.sin()
        along = delta[..., 0] * cos + delta[..., 1] * sin
        across = delta[..., 1] * cos - delta[..., 0] * sin
        turned = agent_BMAT3[..., 2] - heading
        length, width = (_spread(agents_BAF[..., i], along) for i in (AgentIndex.LENGTH_M, AgentIndex.WIDTH_M))
        speed = _spread(agents_BAF[..., AgentIndex.SPEED_MPS], along)
        # Half sizes of the agent's box along and across the plan's pose.
        half_along = 0.5 * (length * turned.cos().abs() + width * turned.sin().abs())
        half_across = 0.5 * (length * turned.sin().abs() + width * turned.cos().abs())
        gap_along = along.abs() - half_along - 0.5 * self.vehicle.length_m
        gap_across = across.abs() - half_across - 0.5 * self.vehicle.width_m
        gap = torch.maximum(gap_along, gap_across)
        parts = [along / 10.0, across / 5.0, turned.cos(), turned.sin(), length / 5.0, width / 2.0, speed / 10.0]
        parts += [(value / 3.0).tanh() for value in (gap_along, gap_across, gap)]
        parts += [(-gap).clamp(min=0.0), (-gap.clamp(min=0.0)).exp()]
        features = torch.stack([part.clamp(-5.0, 5.0) for part in parts], dim=-1)
        seen = self.agent(features) - _FAR * (1.0 - valid_BA[:, None, :, None, None])
        # One more row without an agent, so that a scene without agents has a maximum too.
        no_agent = torch.zeros_like(pose_BMT3[..., :1]).expand(-1, -1, -1, _AGENT_WIDTH)[:, :, None]
        return torch.cat([seen, no_agent], dim=2).amax(dim=2)


def _chance_of_contact(
    pose_BMT3: Tensor, agent_BSAT3: Tensor, scene: dict[str, Tensor], vehicle: VehicleModel
) -> Tensor:
    """Share of the agents' sampled futures with an agent in contact, near or close at every pose: (B, M, T, 3).

    Agreement of the samples measures the likelihood. The agent with the largest share counts.
    """
    agents_BAF, valid_BA = scene["agents"], scene["agents_valid"]
    center = _center(pose_BMT3, vehicle)[:, :, None, None]
    delta = agent_BSAT3[:, None, ..., :2] - center
    heading = pose_BMT3[:, :, None, None, :, 2]
    cos, sin = heading.cos(), heading.sin()
    along = (delta[..., 0] * cos + delta[..., 1] * sin).abs()
    across = (delta[..., 1] * cos - delta[..., 0] * sin).abs()
    turned = agent_BSAT3[:, None, ..., 2] - heading
    turned_cos, turned_sin = turned.cos().abs(), turned.sin().abs()
    length, width = (0.5 * agents_BAF[:, None, None, :, None, i] for i in (AgentIndex.LENGTH_M, AgentIndex.WIDTH_M))
    gap_along = along - length * turned_cos - width * turned_sin - 0.5 * vehicle.length_m
    gap_across = across - length * turned_sin - width * turned_cos - 0.5 * vehicle.width_m
    gap_BMSAT = torch.maximum(gap_along, gap_across)
    near = [
        (-gap_BMSAT / _TOUCHING_M).sigmoid(),
        (-gap_BMSAT.clamp(min=0.0)).exp(),
        (-gap_BMSAT.clamp(min=0.0) / 4.0).exp(),
    ]
    chance = torch.stack([value.mean(dim=2) for value in near], dim=-1)
    no_agent = torch.zeros_like(pose_BMT3)[:, :, None]
    return torch.cat([chance * valid_BA[:, None, :, None, None], no_agent], dim=2).amax(dim=2)


def _carried_on(pose_BMT3: Tensor) -> Tensor:
    """Extrapolate every pose by one step without braking or turning, as the time to collision does."""
    return pose_BMT3 + _change(pose_BMT3, torch.zeros_like(pose_BMT3[:, :, :1])) * pose_BMT3.new_tensor([1.0, 1.0, 0.0])


def _next(agent_BSAT3: Tensor) -> Tensor:
    """The agents one step later; at the end of the plan they stay."""
    return torch.cat([agent_BSAT3[..., 1:, :], agent_BSAT3[..., -1:, :]], dim=-2)


def _spread(value_BA: Tensor, like_BMAT: Tensor) -> Tensor:
    return value_BA[:, None, :, None].expand_as(like_BMAT)


def _center(pose: Tensor, vehicle: VehicleModel) -> Tensor:
    """Centers (..., 2) of the vehicle's box at poses of its rear axle."""
    offset = vehicle.center_offset_m
    return torch.stack([pose[..., 0] + offset * pose[..., 2].cos(), pose[..., 1] + offset * pose[..., 2].sin()], dim=-1)


def _footprint(pose_BMT3: Tensor, vehicle: VehicleModel) -> Tensor:
    """The box's center and corners, (B, M, T, 5, 2)."""
    center = _center(pose_BMT3, vehicle)
    cos, sin = pose_BMT3[..., 2].cos(), pose_BMT3[..., 2].sin()
    points = [center]
    for along in (0.5, -0.5):
        for across in (0.5, -0.5):
            x, y = along * vehicle.length_m, across * vehicle.width_m
            points.append(center + torch.stack([x * cos - y * sin, x * sin + y * cos], dim=-1))
    return torch.stack(points, dim=-2)


def _kinematics(pose_BMT3: Tensor, status_B8: Tensor, interval_s: float) -> Tensor:
    """Place, heading, speed, acceleration, yaw rate, acceleration across and jerk of every step, (B, M, T, 9)."""
    step = _change(pose_BMT3, torch.zeros_like(pose_BMT3[:, :, :1]))
    speed = (step[..., :2].square().sum(dim=-1) + _EPSILON).sqrt() / interval_s
    now = status_B8[:, 4].abs()[:, None, None].expand_as(speed[..., :1])
    accel = _change(speed, now) / interval_s
    jerk = _change(accel, accel[..., :1]) / interval_s
    yaw_rate = step[..., 2] / interval_s
    heading = pose_BMT3[..., 2]
    x, y = pose_BMT3[..., 0] / 30.0, pose_BMT3[..., 1] / 10.0
    parts = [
        x,
        y,
        heading.cos(),
        heading.sin(),
        speed / 10.0,
        accel / 3.0,
        yaw_rate,
        speed * yaw_rate / 3.0,
        jerk / 5.0,
    ]
    return torch.stack([part.clamp(-5.0, 5.0) for part in parts], dim=-1)


def _change(value_BMT: Tensor, before: Tensor) -> Tensor:
    """Differences along the plan's steps; ``before`` is the value before the first."""
    return value_BMT - torch.cat([before, value_BMT[:, :, :-1]], dim=2)


def _along_route(pose_BMT3: Tensor, route_BR2: Tensor, valid_BR: Tensor, index_R: Tensor) -> Tensor:
    """Distance from the nearest point of the route, its index, and whether there is a route: (B, M, T, 3)."""
    gap = (pose_BMT3[..., None, :2] - route_BR2[:, None, None]).square().sum(dim=-1)
    gap = gap + _FAR * (1.0 - valid_BR[:, None, None])
    weight = (-gap).softmax(dim=-1)
    known = valid_BR.amax(dim=1)[:, None, None].expand_as(gap[..., 0])
    nearest = ((gap.amin(dim=-1) + _EPSILON).sqrt() / 5.0).clamp(max=3.0)
    return torch.stack([nearest * known, (weight * index_R).sum(dim=-1) * known, known], dim=-1)


def _context(scene: dict[str, Tensor], status_scale_8: Tensor) -> Tensor:
    """Concatenate status, signal and speed limit, (B, 15)."""
    signal = scene["signal"] * scene["signal_valid"]
    limit = torch.cat([scene["speed_limit"] / 15.0 * scene["speed_limit_valid"], scene["speed_limit_valid"]], dim=-1)
    return torch.cat([scene["status"] * status_scale_8, signal, scene["signal_valid"], limit], dim=-1)
