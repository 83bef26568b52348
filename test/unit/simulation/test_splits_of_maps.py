"""CARLA's towns are driven with seeds of their own split only."""

import argparse
from pathlib import Path

import pytest

from transdiffuser_planner.cli.evaluation.suite import scenarios
from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.errors import ConfigError, SimulationError
from transdiffuser_planner.simulation.scenario import Split, draw_scenario, split_of_map


@pytest.mark.parametrize(
    ("town", "seed"), [("Town01", 7), ("Town07", 7999), ("Town03", 8000), ("Town10HD", 8999), ("Town12", 9000)]
)
def test_a_town_is_driven_with_seeds_of_its_split(town: str, seed: int) -> None:
    assert draw_scenario(seed, map_name=f"carla:{town}").map_name == f"carla:{town}"


@pytest.mark.parametrize(
    ("town", "seed"), [("Town01", 8000), ("Town03", 7), ("Town05", 9000), ("Town11", 8000), ("Town15", 7)]
)
def test_a_town_is_refused_with_other_seeds(town: str, seed: int) -> None:
    with pytest.raises(SimulationError, match=f"map carla:{town}: belongs to the .* set; seed {seed} does not"):
        draw_scenario(seed, map_name=f"carla:{town}")


def test_other_maps_have_no_split_of_their_own() -> None:
    assert split_of_map("town-003") is None and split_of_map("opendrive:own.xodr") is None
    assert split_of_map("carla:Town04") is Split.TRAIN


def _arguments(**given: object) -> argparse.Namespace:
    return argparse.Namespace(**{"name": None, "seeds": None, "map": None, "logs": None, "duration": 60.0} | given)


def test_the_suite_of_carla_drives_all_validation_towns_equally() -> None:
    name, seeds, drawn = scenarios(_arguments(name="carla-val"))
    assert (name, seeds, len(drawn)) == ("carla-val", "8000 to 8059", 60)
    maps = [scenario.map_name for scenario in drawn]
    assert {town: maps.count(town) for town in maps} == {f"carla:Town{n}": 20 for n in ("03", "05", "10HD")}


def test_the_suite_of_carla_refuses_another_map() -> None:
    with pytest.raises(ConfigError, match="has maps of its own"):
        scenarios(_arguments(name="carla-val", map="town-001"))


@pytest.mark.parametrize("command", [["simulate", "--record"], ["evaluate", "suite", "--seeds", "8000:8001", "--out"]])
def test_a_missing_map_is_reported_before_the_work_begins(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command, str(tmp_path / "out"), "--map", "missing.xodr"]) == 2
    assert "map missing.xodr: expected an OpenDRIVE file, found none; check the path" in capsys.readouterr().err
