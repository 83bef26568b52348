"""Open-loop tables by cases that can be worked out by hand."""

import numpy as np
import pytest

from transdiffuser_planner.evaluation.open_loop import diversity_row, error_table, moment_table

TIMES = np.arange(1.0, 9.0) / 2.0


def straight(speed_mps: float, offset_m: float = 0.0) -> np.ndarray:
    return np.stack([speed_mps * TIMES, np.full(8, offset_m), np.zeros(8)], axis=-1)


def predictions() -> dict:
    """Two samples driven at 10 m/s; one candidate is right, the other 3 m aside."""
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
    constant = rows_of(rows, "constant_velocity")
    assert [row["fde_m"] for row in constant] == [0.5, 1.0, 1.5, 2.0]
    assert [row["miss_rate"] for row in constant] == [0.0, 0.0, 0.5, 0.5]


def test_the_table_over_4_s_says_the_same_as_before() -> None:
    by_name = {row["planner"]: row for row in error_table(predictions(), TIMES)}
    assert by_name["one"]["ade_m"] == 3.0 and by_name["oracle"]["ade_m"] == 0.0
    assert by_name["constant_velocity"]["fde_m"] == 2.0


def test_diversity_is_stated_with_the_number_of_candidates_that_bounds_it() -> None:
    row = diversity_row(predictions())
    assert row["num_plans"] == 2 and row["largest_possible"] == 0.5 and row["samples"] == 2
    assert row["mean"] == pytest.approx(0.5, abs=0.05)
