"""Open-loop tables by cases that can be computed by hand."""

import numpy as np
import pytest

from transdiffuser_planner.evaluation.open_loop.agent_errors import agent_table
from transdiffuser_planner.evaluation.open_loop.ego_errors import diversity_row, error_table, moment_table

TIMES = np.arange(1.0, 9.0) / 2.0


def straight(speed_mps: float, offset_m: float = 0.0) -> np.ndarray:
    return np.stack([speed_mps * TIMES, np.full(8, offset_m), np.zeros(8)], axis=-1)


def predictions() -> dict:
    """Two samples logged at 10 m/s; one candidate is exact, the other 3 m to the side."""
    truth = np.stack([straight(10.0)] * 2)
    candidates = np.stack([[straight(10.0, 3.0), straight(10.0)]] * 2)
    return {"truth": truth, "speed": np.asarray([10.0, 9.0]), "yaw_rate": np.zeros(2), "candidates": candidates}


def rows_of(rows: list[dict], planner: str) -> list[dict]:
    return [row for row in rows if row["planner"] == planner]


def test_every_planner_has_a_row_for_each_second() -> None:
    rows = moment_table(predictions(), TIMES)
    assert [row["at_s"] for row in rows_of(rows, "one")] == [1.0, 2.0, 3.0, 4.0]
    assert {row["fde_m"] for row in rows_of(rows, "one")} == {3.0} and {
        row["miss_rate"] for row in rows_of(rows, "one")
    } == {1.0}
    assert {row["fde_m"] for row in rows_of(rows, "oracle")} == {0.0}
    # 1 m/s too slow in one of two samples: 0.5 t on average, a miss of more than 2 m from 3 s on.
    constant = rows_of(rows, "constant-turn-rate")
    assert [row["fde_m"] for row in constant] == [0.5, 1.0, 1.5, 2.0]
    assert [row["miss_rate"] for row in constant] == [0.0, 0.0, 0.5, 0.5]


def test_the_table_over_4_s_holds_errors_and_oracle() -> None:
    by_name = {row["planner"]: row for row in error_table(predictions(), TIMES)}
    assert by_name["one"]["ade_m"] == 3.0 and by_name["oracle"]["ade_m"] == 0.0
    assert by_name["constant-turn-rate"]["fde_m"] == 2.0


def test_diversity_is_stated_with_the_number_of_candidates_that_bounds_it() -> None:
    row = diversity_row(predictions())
    assert row["num_plans"] == 2 and row["largest_possible"] == 0.5 and row["samples"] == 2
    assert row["mean"] == pytest.approx(0.5, abs=0.05)


def test_agents_count_until_they_disappear_and_the_nearest_candidate_is_the_oracle() -> None:
    # One continues at 4 m/s and is never lost; one turns off and is lost after 2 s.
    along = np.stack([straight(4.0), straight(4.0)])
    known = np.ones((2, 8), dtype=bool)
    known[1, 4:] = False
    futures = {
        "candidates": np.stack([along + np.asarray([0.0, 3.0, 0.0]), along], axis=1),
        "truth": along,
        "known": known,
        "pose": np.asarray([[0.0, 0.0, 0.0], [0.0, 0.0, np.pi / 2.0]]),
        "speed": np.asarray([4.0, 4.0]),
    }
    rows = agent_table(futures, TIMES)
    assert [row["samples"] for row in rows_of(rows, "agents one")] == [2, 2, 1, 1]
    assert {row["fde_m"] for row in rows_of(rows, "agents one")} == {3.0}
    assert {row["miss_rate"] for row in rows_of(rows, "agents oracle")} == {0.0}
    constant = rows_of(rows, "agents constant-velocity")
    assert constant[0]["fde_m"] == pytest.approx(0.5 * 4.0 * np.sqrt(2.0), abs=1e-3)
    assert [row["fde_m"] for row in constant[2:]] == [0.0, 0.0]
    assert agent_table({}, TIMES) == []
