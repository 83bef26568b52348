"""Own definitions of Autoware's messages are those of the published versions, by hash; others are named."""

import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.integrations.autoware.interface import versions
from transdiffuser_planner.integrations.autoware.interface.serialized import (
    FIELDS,
    TRAFFIC_LIGHTS_BEFORE_1_8,
    TYPES,
    read_autoware,
)
from transdiffuser_planner.messages.definitions import definition_files, make_message, typestore

NOW = {name: digest for name, known in versions.PUBLISHED.items() for digest, text in known.items()
       if not ("before" in text or text.endswith("1.13"))}  # fmt: skip
ELEMENT = "autoware_perception_msgs/msg/TrafficLightElement"
GROUP = "autoware_perception_msgs/msg/TrafficLightGroup"


def store_with(replaced):
    """A type store of the definitions, some of them replaced by other texts."""
    store, types = get_typestore(Stores.ROS2_JAZZY), {}
    for path in definition_files():
        name = f"{path.parent.parent.name}/msg/{path.stem}"
        types |= get_types_from_msg(replaced.get(name, path.read_text()), name)
    store.register({name: kind for name, kind in types.items() if name not in store.types})
    return store


@pytest.mark.parametrize("name", NOW)
def test_a_definition_has_the_published_hash(name):
    assert typestore().hash_rihs01(name) == versions.PREFIX + NOW[name]


def test_the_variant_before_1_14_has_the_published_hash():
    # definition_files also has a CandidateTrajectory of transdiffuser_msgs
    folder = next(
        path.parent.parent
        for path in definition_files()
        if path.stem == "CandidateTrajectory" and path.parent.parent.name == "autoware_internal_planning_msgs"
    )
    text = (folder / "before_1_14" / "msg" / "CandidateTrajectory.msg").read_text()
    store = store_with({versions.CANDIDATE: text})
    for name in (versions.CANDIDATE, versions.CANDIDATES):
        digest = store.hash_rihs01(name).removeprefix(versions.PREFIX)
        assert versions.PUBLISHED[name][digest] == "autoware_internal_msgs 1.11 to 1.13"


def test_a_peer_with_another_hash_is_refused_with_both_versions_named():
    known = versions.PUBLISHED[versions.CANDIDATES]
    old = next(digest for digest, text in known.items() if text.endswith("1.13"))
    reason = versions.mismatch(versions.CANDIDATES, NOW[versions.CANDIDATES], versions.PREFIX + old)
    assert "autoware_internal_msgs 1.11 to 1.13" in reason and "autoware_internal_msgs 1.14" in reason
    assert "\n" not in reason
    assert versions.mismatch(versions.CANDIDATES, NOW[versions.CANDIDATES], NOW[versions.CANDIDATES]) == ""
    assert "unknown version (abcdefab)" in versions.mismatch(versions.ROUTE, NOW[versions.ROUTE], "abcdefab" * 8)
    assert versions.mismatch(versions.ROUTE, NOW[versions.ROUTE], "") == ""
    assert versions.mismatch(versions.TRAFFIC_LIGHTS, "1" * 64, "2" * 64, ("2" * 64,)) == ""


@pytest.mark.parametrize("name", FIELDS)
def test_a_layout_is_that_of_the_definition(name):
    """Field by field, nested types included, so that serialized messages are read as they were written."""

    def leaves(fields, types):
        for field, kind in fields:
            base = kind.split("[")[0]
            inner = f"({','.join(leaves(types[base], types))})" if base in types else base
            yield f"{field}:{inner}{kind[len(base) :]}"

    def defined(kind):
        for field, (tag, inner) in typestore().fielddefs[kind][1]:
            count = ""
            if int(tag) in (3, 4):
                element, length = inner
                count = f"[{length}]" if int(tag) == 3 else "[]"
                tag, inner = element
            text = f"({','.join(defined(inner))})" if int(tag) == 2 else inner[0].replace("octet", "uint8")
            yield f"{field}:{text}{count}"

    assert list(leaves(FIELDS[name], TYPES)) == list(defined(name))


def lights(store, predictions):
    make = {name.rsplit("/", 1)[1]: kind for name, kind in store.types.items() if "autoware_perception" in name}
    element = make["TrafficLightElement"](color=1, shape=1, status=2, confidence=0.5)
    extra = {"predictions": []} if predictions else {}
    groups = [make["TrafficLightGroup"](traffic_light_group_id=n, elements=[element], **extra) for n in (7, -8)]
    stamp = store.types["builtin_interfaces/msg/Time"](sec=3, nanosec=4)
    return make["TrafficLightGroupArray"](stamp=stamp, traffic_light_groups=groups)


def test_traffic_lights_of_both_versions_are_read():
    old = store_with({GROUP: f"int64 traffic_light_group_id\n{ELEMENT}[] elements".replace("/msg/", "/")})
    assert old.hash_rihs01(versions.TRAFFIC_LIGHTS) == versions.PREFIX + TRAFFIC_LIGHTS_BEFORE_1_8
    for store, digest in ((typestore(), NOW[versions.TRAFFIC_LIGHTS]), (old, TRAFFIC_LIGHTS_BEFORE_1_8)):
        data = store.serialize_cdr(lights(store, store is not old), versions.TRAFFIC_LIGHTS)
        message = read_autoware(data, versions.TRAFFIC_LIGHTS, versions.PREFIX + digest)
        assert [group.traffic_light_group_id for group in message.traffic_light_groups] == [7, -8]
        assert [group.elements[0].color for group in message.traffic_light_groups] == [1, 1]


def test_other_bytes_are_refused_in_one_line():
    limit = make_message(
        versions.VELOCITY_LIMIT,
        stamp=make_message("builtin_interfaces/msg/Time", sec=1, nanosec=2),
        max_velocity=5.0,
        use_constraints=False,
        constraints=make_message(
            "autoware_internal_planning_msgs/msg/VelocityLimitConstraints",
            max_acceleration=0.0, min_acceleration=0.0, max_jerk=0.0, min_jerk=0.0,
        ),
        sender="api",
    )  # fmt: skip
    data = bytes(typestore().serialize_cdr(limit, versions.VELOCITY_LIMIT))
    assert read_autoware(data, versions.VELOCITY_LIMIT).max_velocity == 5.0
    for wrong in (data[:20], b"", b"\x07\x07\x00\x00" + data):
        with pytest.raises(InputError) as caught:
            read_autoware(wrong, versions.VELOCITY_LIMIT)
        assert "\n" not in str(caught.value)
