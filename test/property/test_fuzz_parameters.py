"""Any names and values of parameters: a configuration within its bounds, or a one-line error."""

from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from transdiffuser_planner.core.errors import ConfigError
from transdiffuser_planner.core.planner_config import PlannerConfig, default_values

KNOWN = default_values()
INT64 = st.integers(-(2**63), 2**63 - 1)
SCALARS = st.one_of(
    st.booleans(), INT64, st.integers(0, 12), st.floats(), st.floats(0.0, 10.0), st.text(max_size=20), st.none()
)
LISTS = st.lists(SCALARS, max_size=3)
VALUES = st.one_of(SCALARS, SCALARS, LISTS, st.binary(max_size=4), st.dictionaries(st.text(max_size=3), SCALARS))
PLAUSIBLE = {name: st.one_of(st.just(value), VALUES, st.floats(0.0, 2.0 * abs(value) + 1.0)) if isinstance(value, float) else
             st.one_of(st.just(value), VALUES) for name, value in KNOWN.items()}  # fmt: skip


@given(st.fixed_dictionaries({}, optional=PLAUSIBLE))
def test_known_names_with_any_values_give_a_valid_configuration_or_a_reason(values):
    try:
        config = PlannerConfig.from_dict(values)
    except ConfigError as error:
        assert str(error)
        return
    for item in fields(PlannerConfig):
        value = getattr(config, item.name)
        assert type(value) is type(KNOWN[item.name])
        if "minimum" in item.metadata:
            assert item.metadata["minimum"] <= value <= item.metadata["maximum"]


@given(st.sampled_from(sorted(KNOWN)), VALUES)
def test_a_value_is_used_unchanged_or_refused_by_name(name, value):
    try:
        config = PlannerConfig.from_dict({name: value})
    except ConfigError as error:
        assert name in str(error) or "must not exceed" in str(error)
    else:
        assert getattr(config, name) == value


@given(st.dictionaries(st.text(max_size=12).filter(lambda name: name not in KNOWN), VALUES, min_size=1, max_size=4))
def test_unknown_names_are_refused_by_name(values):
    try:
        PlannerConfig.from_dict(values)
    except ConfigError as error:
        assert "unknown parameters" in str(error) and repr(min(values)) in str(error)
    else:
        raise AssertionError("an unknown name was taken")
