"""Parameter files of the node: whose parameters they are, which are refused, and names of earlier versions."""

import pytest
import yaml

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import RENAMED_PARAMETERS, default_values
from transdiffuser_planner.replay.node_parameters import node_parameters


@pytest.mark.parametrize(("old", "new"), RENAMED_PARAMETERS.items())
def test_an_old_parameter_name_is_rejected_with_the_new_name(tmp_path, old, new):
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump({"transdiffuser_planner": {"ros__parameters": {old: 0.5}}}))
    with pytest.raises(ConfigError, match=f"'{old}' is now '{new}'"):
        node_parameters(path)


def test_every_new_name_is_a_parameter_and_no_old_name_is():
    assert set(RENAMED_PARAMETERS.values()) <= set(default_values())
    assert not set(RENAMED_PARAMETERS) & set(default_values())


def parameters(tmp_path, text, node=None):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return node_parameters(path, node)


SECTION = "{}:\n  ros__parameters: {{num_candidates: {}}}\n"


@pytest.mark.parametrize(
    ("text", "node", "num_candidates"),
    [
        (SECTION.format("transdiffuser_planner", 6), "/transdiffuser_planner", 6),
        (SECTION.format("/car/transdiffuser_planner", 6), "/car/transdiffuser_planner", 6),
        (SECTION.format("/**", 6) + SECTION.format("car/transdiffuser_planner", 7), "/car/transdiffuser_planner", 7),
        (SECTION.format("car/transdiffuser_planner", 7) + SECTION.format("/**", 6), "/car/transdiffuser_planner", 6),
        (SECTION.format("/**/transdiffuser_planner", 6), "/transdiffuser_planner", 6),
        (SECTION.format("/*/transdiffuser_planner", 6), "/any/transdiffuser_planner", 6),
        (SECTION.format("/car/**", 6), "/car/transdiffuser_planner", 6),
        (SECTION.format("/a/transdiffuser_planner", 6) + SECTION.format("/b/**", 6), "/a/transdiffuser_planner", 6),
        ("car:\n  transdiffuser_planner:\n    ros__parameters: {num_candidates: 0x6}\n", "/car/transdiffuser_planner", 6),
    ],
)  # fmt: skip
def test_a_replay_stands_for_the_only_planner_of_the_file_in_any_namespace(tmp_path, text, node, num_candidates):
    found = parameters(tmp_path, text)
    assert (found.node, found.values) == (node, {"num_candidates": num_candidates})


def test_of_several_planners_with_different_parameters_one_is_chosen_by_name(tmp_path):
    text = SECTION.format("/a/transdiffuser_planner", 6) + SECTION.format("/b/transdiffuser_planner", 7)
    with pytest.raises(ConfigError, match=r"different parameters for /a/transdiffuser_planner, /b/.*--node"):
        parameters(tmp_path, text)
    assert parameters(tmp_path, text, "/b/transdiffuser_planner").values == {"num_candidates": 7}
    assert parameters(tmp_path, SECTION.format("/x/planner", 8), "x/planner").values == {"num_candidates": 8}
    with pytest.raises(ConfigError, match=r"no section for the node .*; there are /a/transdiffuser_planner"):
        parameters(tmp_path, text, "/c/transdiffuser_planner")


def test_parameters_of_every_ros_node_are_accepted_and_qos_is_kept(tmp_path):
    text = (
        "/**:\n  ros__parameters: {use_sim_time: true, start_type_description_service: false, shadow: true, deadline_ms: 90,\n"
        "    max_curvature_per_m: 2e-1, qos_overrides: {/route: {subscription: {durability: volatile, depth: 3}}}}\n"
    )
    found = parameters(tmp_path, text)
    assert found.values == {"deadline_ms": 90.0, "max_curvature_per_m": 0.2}
    assert type(found.values["deadline_ms"]) is float
    name = "qos_overrides./route.subscription"
    assert found.qos == {f"{name}.durability": "volatile", f"{name}.depth": 3}


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("num_candidats: 6", r"unknown parameters \['num_candidats'\]; did you mean num_candidates"),
        ("wheel_radius: 0.3", "unknown parameters .*sections with their names"),
        ("num_candidates: 9999", "num_candidates: must lie in 1 .. 128, got 9999"),
        ("num_candidates: 1_0", "num_candidates: expected int, got '1_0'"),
        ("use_sim_time: 1", "use_sim_time: expected bool"),
        ("qos_overrides./a.subscription.reliability: yes", "reliability: must be one of reliable"),
        ("qos_overrides./a.subscription.depth: -1", "depth: must be a whole number"),
        ("a: &x 1, b: *x", "line 2: ROS 2 takes no aliases"),
        ("model: ", "line 2: no value after the colon"),
        ("model: []", "model: expected str, got None"),
    ],
)
def test_what_the_node_would_refuse_is_refused(tmp_path, given, reason):
    with pytest.raises(ConfigError, match=reason):
        parameters(tmp_path, f"/**:\n  ros__parameters: {{{given}}}\n")
