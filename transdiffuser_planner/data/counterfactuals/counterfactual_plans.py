"""Feasible plans other than the logged one, with their action tokens: they teach a decoder to follow action tokens.

The logged trajectory follows from the scene, so a decoder that is conditioned on it does not need the tokens. Conditioned on
another maneuver that the road allows, and trained to denoise that one, it has no other information.

Letters: N samples, B batch, O other plans of a sample, T plan steps.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from transdiffuser_planner.core.contract import ModelContract, StatusIndex
from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.data.counterfactuals.maneuvers import Style, alternative_maneuvers
from transdiffuser_planner.data.samples.sample_set import SampleSet
from transdiffuser_planner.planning.action_codebook import ActionCodebook

Batch = dict[str, NDArray[Any]]

STYLES = 2
"""Number of driving styles drawn for every sample."""
MOST = 6
"""Largest number of plans kept of a sample."""


@dataclass(frozen=True, kw_only=True)
class CounterfactualPlans:
    """plan_NOT3 in base_link, token_path_NOT3 the segments of their tokens, count_N how many of the places are filled."""

    plan_NOT3: NDArray[np.float32]
    token_path_NOT3: NDArray[np.float32]
    count_N: NDArray[np.int64]

    @staticmethod
    def make(samples: SampleSet, codebook: ActionCodebook, contract: ModelContract, seed: int) -> CounterfactualPlans:
        """Draw them for all samples that have a bird's-eye label."""
        names = ("plan", "route", "route_valid", "status", "bev", "bev_valid")
        whole = {name: samples.whole(name) for name in names}
        vehicles = [folder.vehicle for folder in samples.folders for _ in range(len(folder))]
        plan = np.zeros((len(samples), MOST, contract.num_plan_steps, 3), dtype=np.float32)
        count = np.zeros(len(samples), dtype=np.int64)
        bar = tqdm(range(len(samples)), desc="other maneuvers", unit="sample", file=sys.stderr, mininterval=1.0)
        for row in bar:
            rng = np.random.default_rng([seed, row])
            found = _others({name: value[row] for name, value in whole.items()}, contract, vehicles[row], rng)
            count[row] = len(found)
            for place, other in enumerate(found):
                plan[row, place] = other
        token_path = np.zeros_like(plan)
        filled = np.arange(MOST) < count[:, None]
        token_path[filled] = codebook.segment_C3[codebook.encode(plan[filled])]
        return CounterfactualPlans(plan_NOT3=plan, token_path_NOT3=token_path, count_N=count)

    @staticmethod
    def cached(
        folder: Path, samples: SampleSet, codebook: ActionCodebook, contract: ModelContract, seed: int
    ) -> CounterfactualPlans:
        """``make``, or what it left in the folder of the same samples, codebook and seed."""
        counts = ",".join(f"{folder.path.name}:{len(folder)}" for folder in samples.folders)
        key = hashlib.sha256(f"{codebook.digest} {seed} {STYLES} {MOST} {counts}".encode()).hexdigest()
        path = folder / f"other_plans_{key[:16]}.npz"
        if path.is_file():
            with np.load(path) as data:
                return CounterfactualPlans(**{item.name: data[item.name] for item in fields(CounterfactualPlans)})
        made = CounterfactualPlans.make(samples, codebook, contract, seed)
        folder.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial.npz")
        np.savez(partial, plan_NOT3=made.plan_NOT3, token_path_NOT3=made.token_path_NOT3, count_N=made.count_N)
        partial.rename(path)
        return made

    def substitute(self, raw: Batch, index_B: NDArray[np.int64], share: float, rng: np.random.Generator) -> Batch:
        """The batch with "plan", "plan_valid" and "action_token_path" of another maneuver in a share of the samples."""
        is_replaced_B = (rng.random(len(index_B)) < share) & (self.count_N[index_B] > 0)
        rows = np.flatnonzero(is_replaced_B)
        source = index_B[rows]
        which = rng.integers(0, self.count_N[source])
        out = {**raw, **{name: raw[name].copy() for name in ("plan", "plan_valid", "action_token_path")}}
        out["plan"][rows], out["action_token_path"][rows] = (
            self.plan_NOT3[source, which],
            self.token_path_NOT3[source, which],
        )
        out["plan_valid"][rows] = True
        return out | {"is_counterfactual": is_replaced_B}


def _others(
    sample: Batch, contract: ModelContract, vehicle: VehicleModel, rng: np.random.Generator
) -> list[NDArray[np.float64]]:
    """Other plans (T, 3) of one sample in random order."""
    if not sample["bev_valid"]:
        return []
    route_R2 = sample["route"][sample["route_valid"] > 0.0].astype(np.float64)
    speed_mps = float(sample["status"][StatusIndex.VX_MPS])
    found: list[NDArray[np.float64]] = []
    logged_T3 = sample["plan"].astype(np.float64)
    for _ in range(STYLES):
        style = Style.drawn(rng)
        plans = alternative_maneuvers(
            logged_T3, route_R2, speed_mps, sample["bev"], contract=contract, vehicle=vehicle, style=style
        )
        found += plans.values()
    order = rng.permutation(len(found))[:MOST]
    return [found[i] for i in order]
