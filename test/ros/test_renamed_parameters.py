"""Parameter overrides with names of earlier versions: the node does not start and names the new parameter."""

import needs_ros  # noqa: F401
import pytest
from rclpy.parameter import Parameter

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import RENAMED_PARAMETERS
from transdiffuser_planner.ros.planner_node import parameters
from transdiffuser_planner.ros.planner_node.node import PlannerNode


@pytest.mark.parametrize(("old", "new"), RENAMED_PARAMETERS.items())
def test_the_node_does_not_start_with_an_old_parameter_name(old, new):
    with pytest.raises(ConfigError, match=f"'{old}' is now '{new}'"):
        PlannerNode(parameter_overrides=[Parameter(old, value=0.5)])


def test_the_check_leaves_no_old_parameter_behind_and_can_be_repeated():
    node = PlannerNode(parameter_overrides=[Parameter("temperature", value=0.5)])
    try:
        for _ in range(2):
            assert parameters.config_of(node).temperature == 0.5
        assert not any(node.has_parameter(old) for old in RENAMED_PARAMETERS)
    finally:
        node.destroy_node()
