"""Candidates of an exported model on stored samples, as the planner would sample them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.driving_style import style_problem, style_refusal, with_style
from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.data.candidates.condition_masking import mask_input
from transdiffuser_planner.data.samples.sample_set import LABELS, SampleSet, observation_of, stored_observation
from transdiffuser_planner.data.samples.targets import agent_origins, visible_agents
from transdiffuser_planner.planning.observation.action_token_features import ActionTokenFeatures
from transdiffuser_planner.runtime.inference.backend import InferenceBackend

Arrays = dict[str, NDArray[Any]]

DEFAULTS = PlannerConfig()


@dataclass(frozen=True, kw_only=True)
class CandidateFrame:
    """One sample: stored arrays (1, ...), observation, known agents, encoder features."""

    raw: Arrays
    observation: dict[str, NDArray[np.float32]]
    agents: dict[str, NDArray[np.float32]]
    features: Mapping[str, NDArray[np.float32]]


class CandidateSource:
    """Samples an exported model. The agents are the labeled ones that the LiDAR hits; nothing else of the truth is used."""

    def __init__(
        self,
        backend: InferenceBackend,
        samples: SampleSet,
        more: Sequence[str] = (),
        masked_inputs: Sequence[str] = (),
        driving_style: float = DEFAULTS.driving_style,
    ) -> None:
        """Sample a model on samples.

        Args:
            backend: The model.
            samples: The samples.
            more: Names of further stored arrays.
            masked_inputs: Inputs of ``condition_masking.MASKABLE_INPUTS`` to mask.
            driving_style: The parameter ``driving_style``.

        Raises:
            ConfigError: The model does not know driving styles, or it is none.
        """
        manifest = backend.manifest
        problem = style_problem(driving_style) or style_refusal(
            driving_style, manifest.name, knows_style=manifest.contract.score_condition
        )
        if problem:
            raise ConfigError(problem)
        self._backend, self._samples = backend, samples
        self.contract, self.vehicle = backend.manifest.contract, backend.manifest.vehicle
        self._joint = backend.manifest.sampler()
        self._withheld, self._style = tuple(masked_inputs), driving_style
        self._names = (*stored_observation(self.contract), *LABELS, "stamp_ns", *more)

    def frame(self, index: int) -> CandidateFrame:
        """Read a sample and encode its images and point cloud once."""
        raw = self._samples.gather(np.asarray([index]), self._names)
        known = visible_agents(raw, self.contract)
        observation = observation_of(raw, self.contract)
        for name in self._withheld:
            mask_input(observation, name)
        observation |= with_style(observation, self._style)
        agents = {name: known[name] for name in ("agents", "agents_valid")}
        return CandidateFrame(
            raw=raw, observation=observation, agents=agents, features=self._backend.encode(observation)
        )

    def sample(
        self,
        frame: CandidateFrame,
        num_candidates: int,
        tokens: Mapping[str, NDArray[np.float32]] | None = None,
        num_steps: int = DEFAULTS.num_denoise_steps,
        sampler: str = DEFAULTS.sampler,
        temperature: float = DEFAULTS.temperature,
        pull: float = DEFAULTS.token_guidance_weight,
    ) -> NDArray[np.float64]:
        """Joint futures (M, 1 + A, T, 3) in base_link, the ego first, then all agents' places; the same noise every time.

        Args:
            frame: From ``frame``.
            num_candidates: M.
            tokens: Action tokens as the model's inputs; None: without action tokens.
            num_steps: The parameter ``num_denoise_steps``.
            sampler: The parameter ``sampler``.
            temperature: The parameter ``temperature``.
            pull: The parameter ``token_guidance_weight``.
        """
        observation = {**frame.observation, **(tokens or {})}
        condition = self._backend.condition(frame.features, observation, frame.agents)
        noise = self._joint.noise(0, int(frame.raw["stamp_ns"][0]), num_candidates, sampler=sampler)
        noise[0] *= np.float32(temperature)
        drawn = self._joint.walk(
            lambda x, k: self._backend.predict_noise(x, k, condition),
            noise,
            sampler=sampler,
            num_steps=num_steps,
            target=self._joint.target(ActionTokenFeatures.of(observation), pull),
        )
        return self._joint.poses(drawn.x0_MNP, agent_origins(frame.agents["agents"])[0])
