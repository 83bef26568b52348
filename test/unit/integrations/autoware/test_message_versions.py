"""Own definitions of Autoware's messages are those of the published versions, by hash; others are named."""

import numpy as np
import pytest
from rosbags.typesys import Stores, get_types_from_msg, get_typestore

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.integrations.autoware.interface import decode, versions
from transdiffuser_planner.integrations.autoware.interface.serialized import (
    FIELDS,
    TRAFFIC_LIGHTS_BEFORE_1_8,
    TYPES,
    read_autoware,
)
from transdiffuser_planner.messages.definitions import definition_files, make_message, typestore
from transdiffuser_planner.messages.serialized.cdr_reader import CdrReader
from transdiffuser_planner.messages.serialized.read_message import object_reader

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


def tracked(number):
    """Tracked objects with different numbers of classes and corners."""
    rng = np.random.default_rng(number)
    part = {name.rsplit("/", 1)[1]: kind for name, kind in typestore().types.items() if "Trans" not in name}

    def vector():
        return part["Vector3"](*rng.random(3))

    def twist():
        return part["Twist"](linear=vector(), angular=vector())

    def item(classes, corners):
        pose = part["Pose"](position=part["Point"](*rng.random(3)), orientation=part["Quaternion"](*rng.random(4)))
        points = [part["Point32"](*rng.random(3).astype(np.float32).tolist()) for _ in range(corners)]
        kinematics = part["TrackedObjectKinematics"](
            pose_with_covariance=part["PoseWithCovariance"](pose=pose, covariance=rng.random(36)),
            twist_with_covariance=part["TwistWithCovariance"](twist=twist(), covariance=rng.random(36)),
            acceleration_with_covariance=part["AccelWithCovariance"](
                accel=part["Accel"](linear=vector(), angular=vector()), covariance=rng.random(36)
            ),
            orientation_availability=int(rng.integers(3)),
            is_stationary=bool(rng.integers(2)),
        )
        return part["TrackedObject"](
            object_id=part["UUID"](uuid=rng.integers(0, 256, 16).astype(np.uint8)),
            existence_probability=0.75,
            classification=[part["ObjectClassification"](label=c + 1, probability=0.25 * c) for c in range(classes)],
            kinematics=kinematics,
            shape=part["Shape"](type=2, footprint=part["Polygon"](points=points), dimensions=vector()),
        )

    stamp = part["Time"](sec=3, nanosec=4)
    head = part["Header"](stamp=stamp, frame_id="map"[: number % 4])
    return part["TrackedObjects"](header=head, objects=[item(number % 3, 3 * (k % 2)) for k in range(number)])


@pytest.mark.parametrize("number", [0, 1, 2, 3, 5])
def test_tracked_objects_are_read_as_field_by_field(number):
    data = bytes(typestore().serialize_cdr(tracked(number), versions.TRACKED_OBJECTS))
    fast, agents = (decode.tracked_objects(message) for message in (
        read_autoware(data, versions.TRACKED_OBJECTS),
        object_reader(FIELDS[versions.TRACKED_OBJECTS], TYPES)(CdrReader(data)),
    ))  # fmt: skip
    assert fast[1] == agents[1] and fast[0].stamp_ns == agents[0].stamp_ns
    for name in ("frame_id", "id_N", "x_m_N", "heading_rad_N", "speed_mps_N", "length_m_N", "height_m_N"):
        assert np.array_equal(getattr(fast[0].states, name), getattr(agents[0].states, name)), name
    if number:
        for cut in (len(data) - 1, len(data) // 2, 30):
            with pytest.raises(InputError, match="ends early"):
                read_autoware(data[:cut], versions.TRACKED_OBJECTS)


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
