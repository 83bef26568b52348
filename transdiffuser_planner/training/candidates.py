"""Candidates of an exported model on stored samples, as the planner would sample them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.config import PlannerConfig
from transdiffuser_planner.core.contract import plan_spec
from transdiffuser_planner.pipeline.instructed_path import TokenPath
from transdiffuser_planner.pipeline.noise_schedule import NoiseSchedule
from transdiffuser_planner.pipeline.normalization import PlanNormalizer
from transdiffuser_planner.pipeline.sampler import draw_noise, sample_plans
from transdiffuser_planner.pipeline.told_pull import ToldPlan, pulled
from transdiffuser_planner.runtime.onnx_backend import OnnxBackend
from transdiffuser_planner.training.decoder_stage import LABELS
from transdiffuser_planner.training.samples import SampleSet, observation_of, stored_observation
from transdiffuser_planner.training.targets import agent_origins, visible_agents
from transdiffuser_planner.training.withheld import withhold

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Moment:
    """One sample: stored arrays (1, ...), observation, known agents, encoder features."""

    raw: Arrays
    observation: dict[str, NDArray[np.float32]]
    agents: dict[str, NDArray[np.float32]]
    features: Arrays


class CandidateSource:
    """Samples an exported model. The agents are the labelled ones that the LiDAR hits; nothing else of the truth is used."""

    def __init__(
        self, backend: OnnxBackend, samples: SampleSet, more: Sequence[str] = (), withheld: Sequence[str] = ()
    ) -> None:
        """Sample a model on samples.

        Args:
            backend: The model.
            samples: The moments.
            more: Names of further stored arrays.
            withheld: Of ``withheld.WITHHELD``: what the model is not given.
        """
        self._backend, self._samples = backend, samples
        self.contract, manifest = backend.manifest.contract, backend.manifest
        self._normalizer = PlanNormalizer.from_json(manifest.read_json("normalizer.json"))
        self._schedule = NoiseSchedule.from_json(manifest.read_json("noise_schedule.json"))
        self._withheld = tuple(withheld)
        self._names = (*stored_observation(self.contract), *LABELS, "stamp_ns", *more)

    def moment(self, index: int) -> Moment:
        """Read a sample and look at its pictures and cloud once."""
        raw = self._samples.gather(np.asarray([index]), self._names)
        known = visible_agents(raw, self.contract)
        observation = observation_of(raw, self.contract)
        for name in self._withheld:
            withhold(observation, name)
        agents = {name: known[name] for name in ("agents", "agents_valid")}
        return Moment(raw=raw, observation=observation, agents=agents, features=self._backend.encode(observation))

    def sample(
        self,
        moment: Moment,
        num_candidates: int,
        said: Mapping[str, NDArray[np.float32]] | None = None,
        num_steps: int | None = None,
        pull: float = PlannerConfig().token_pull,
    ) -> NDArray[np.float64]:
        """Joint futures (M, 1 + A, T, 3) in base_link, the ego first, then all agents' places; the same noise every time.

        Args:
            moment: From ``moment``.
            num_candidates: M.
            said: Action tokens as the model's inputs; None: nobody says anything.
            num_steps: Denoise steps; None: all that the model was trained with.
            pull: The parameter ``token_pull``.
        """
        observation = {**moment.observation, **(said or {})}
        condition = self._backend.condition(moment.features, observation, moment.agents)
        shape = (num_candidates, *plan_spec(self.contract).shape)
        told = ToldPlan.of(TokenPath.of(observation), self._normalizer, pull)
        drawn = sample_plans(
            pulled(lambda x, k: self._backend.predict_noise(x, k, condition), told, self._schedule),
            self._schedule,
            draw_noise(0, int(moment.raw["stamp_ns"][0]), shape, self._schedule.num_steps),
            num_steps=num_steps or self._schedule.num_steps,
        )
        return self._normalizer.to_poses(drawn.clean_MNP, agent_origins(moment.agents["agents"])[0])
