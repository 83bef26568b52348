"""Parameter files of the node: names of earlier versions."""

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
