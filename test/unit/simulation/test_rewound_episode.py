"""A recorded drive is driven again exactly, and futures that branch from it leave it unchanged."""

import numpy as np
import pytest

pytest.importorskip("libsumo")

from transdiffuser_planner.core.errors import SimulationError
from transdiffuser_planner.core.vehicle import EGO_VEHICLE
from transdiffuser_planner.simulation.episode import ClosedLoopEpisode
from transdiffuser_planner.simulation.episode_step import EpisodeStep, drive_step
from transdiffuser_planner.simulation.rewound_episode import RewoundEpisode
from transdiffuser_planner.simulation.scenario import draw_scenario

SCENARIO = draw_scenario(103, duration_s=10.0)


def positions(step: EpisodeStep) -> np.ndarray:
    agents = step.world.agents
    return np.stack([agents.id_N.astype(np.float64), agents.x_m_N, agents.y_m_N, agents.speed_mps_N])


def test_a_branch_is_what_would_have_happened_and_changes_nothing() -> None:
    with ClosedLoopEpisode(SCENARIO, EGO_VEHICLE) as episode:
        driven = [episode.start()]
        driven += [episode.step(0.3, 0.0) for _ in range(25)]
    states = [step.vehicle for step in driven]
    with RewoundEpisode(SCENARIO, EGO_VEHICLE, states) as rewound:
        for _ in range(10):
            rewound.advance()
        same = rewound.branch(states[11:21])
        state, braking = rewound.step.vehicle, []
        for _ in range(15):
            state = drive_step(state, -6.0, 0.0, EGO_VEHICLE)
            braking.append(state)
        other = rewound.branch(braking)
        again = [rewound.advance() for _ in range(10)]
    for branched, later, original in zip(same, again, driven[11:21], strict=True):
        assert np.array_equal(positions(branched), positions(original))
        assert np.array_equal(positions(later), positions(original))
        assert branched.route_s_m == later.route_s_m == original.route_s_m
    assert other[-1].world.ego.speed_mps < driven[25].world.ego.speed_mps


def test_a_drive_of_another_scenario_is_rejected() -> None:
    with ClosedLoopEpisode(SCENARIO, EGO_VEHICLE) as episode:
        states = [episode.start().vehicle]
    other = draw_scenario(104, duration_s=10.0)
    with pytest.raises(SimulationError, match="begins elsewhere"), RewoundEpisode(other, EGO_VEHICLE, states):
        pass
