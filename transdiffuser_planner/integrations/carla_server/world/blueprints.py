"""Actor definitions as the client receives them, and descriptions that it sends back, checked against them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

from transdiffuser_planner.core.vehicle import VehicleModel
from transdiffuser_planner.integrations.carla_server.protocol.messages import CallError
from transdiffuser_planner.integrations.carla_server.world import blueprint_tables as tables
from transdiffuser_planner.integrations.carla_server.world.blueprint_tables import BOOL, COLOR, FLOAT, INT, STRING, Body

MAX_STEER_DEG = 70.0
"""Road-wheel angle at full steering, as CARLA's cars have it."""
COLORS = ("17,37,103", "66,66,66", "180,0,0", "200,200,200", "40,80,60")
MAX_ATTRIBUTES = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Description:
    """What an actor is.

    Attributes:
        uid: Number of its definition.
        type_id: For example "vehicle.tesla.model3".
        attributes: Name -> type and text.
    """

    uid: int
    type_id: str
    attributes: dict[str, tuple[int, str]] = field(default_factory=dict)

    def packed(self) -> list[Any]:
        """As LibCarla packs an ActorDescription."""
        return [self.uid, self.type_id, [[name, kind, text] for name, (kind, text) in self.attributes.items()]]

    def text(self, name: str, default: str = "") -> str:
        """Return an attribute.

        Args:
            name: Of the attribute.
            default: Of a description without it.
        """
        return self.attributes[name][1] if name in self.attributes else default

    def number(self, name: str, low: float, high: float) -> float:
        """Return an attribute as a number.

        Args:
            name: Of the attribute.
            low: Smallest permitted value.
            high: Largest permitted value.

        Raises:
            CallError: It is no number or out of range.
        """
        try:
            value = float(self.text(name))
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise CallError(f"{self.type_id}: {name} {self.text(name)!r}: expected {low:g} .. {high:g}")
        return value


def _attribute(
    name: str, kind: int, value: str, recommended: tuple[str, ...] = (), *, fixed: bool = False
) -> list[Any]:
    return [name, kind, value, list(recommended), not fixed, False]


def _vehicle_attributes(type_id: str) -> list[list[Any]]:
    base, generation, special = tables.VEHICLES[type_id][4:]
    wheels = "2" if base in ("motorcycle", "bicycle") else "4"
    return [
        _attribute("role_name", STRING, "autopilot", ("autopilot", "scenario", "ego_vehicle")),
        _attribute("color", COLOR, COLORS[0], COLORS),
        _attribute("sticky_control", BOOL, "true"),
        _attribute("terramechanics", BOOL, "false"),
        _attribute("object_type", STRING, "", fixed=True),
        _attribute("number_of_wheels", INT, wheels, fixed=True),
        _attribute("generation", INT, str(generation), fixed=True),
        _attribute("base_type", STRING, base, fixed=True),
        _attribute("special_type", STRING, special, fixed=True),
        _attribute("has_lights", BOOL, "true" if base not in ("bicycle",) else "false", fixed=True),
        _attribute("has_dynamic_doors", BOOL, "false", fixed=True),
        _attribute("driver_id", INT, "0"),
        *_ros_attributes(),
    ]


def _walker_attributes(index: int) -> list[list[Any]]:
    return [
        _attribute("role_name", STRING, "pedestrian", ("pedestrian",)),
        _attribute("gender", STRING, "female" if index % 2 else "male", fixed=True),
        _attribute("age", STRING, "child" if index in (9, 10, 11, 12, 13, 14, 48, 49) else "adult", fixed=True),
        _attribute("generation", INT, "1" if index < 15 else "2", fixed=True),
        _attribute("speed", FLOAT, "1.4", ("0.0", "1.4", "2.8")),
        _attribute("is_invincible", BOOL, "true"),
        _attribute("use_wheelchair", BOOL, "false"),
        _attribute("can_use_wheelchair", BOOL, "false", fixed=True),
        *_ros_attributes(),
    ]


def _ros_attributes() -> list[list[Any]]:
    return [_attribute("ros_name", STRING, ""), _attribute("ros_frame_id", STRING, "")]


@cache
def definitions() -> tuple[list[Any], ...]:
    """Return all definitions as LibCarla packs them: uid, id, tags, attributes (name, type, value, recommended, ...)."""
    found: list[tuple[str, list[list[Any]]]] = []
    for name, rows in (*tables.SENSORS.items(), *((name, ()) for name in tables.NOT_SIMULATED)):
        role = _attribute("role_name", STRING, "front", ("front", "back", "left", "right"))
        found.append((name, [role, *(_attribute(*row) for row in rows), *_ros_attributes()]))
    found += [(name, _vehicle_attributes(name)) for name in tables.VEHICLES]
    found += [(name, _walker_attributes(index + 1)) for index, name in enumerate(tables.WALKERS)]
    for name, size in tables.PROPS.items():
        kind = "tiny" if max(size) < 0.3 else "small" if max(size) < 0.8 else "medium" if max(size) < 1.8 else "big"
        role = _attribute("role_name", STRING, "prop", ("prop",))
        found.append((name, [role, _attribute("size", STRING, kind, fixed=True), *_ros_attributes()]))
    found.append(("controller.ai.walker", [_attribute("role_name", STRING, "default", ("default",))]))
    found += [(name, [_attribute("role_name", STRING, "trigger")]) for name in ("static.trigger.friction",)]
    found[-1][1].extend(_attribute(name, FLOAT, "3.5") for name in ("friction", "extent_x", "extent_y", "extent_z"))
    return tuple([uid, name, name.replace(".", ","), rows] for uid, (name, rows) in enumerate(found, start=1))


@cache
def _by_name() -> dict[str, list[Any]]:
    return {definition[1]: definition for definition in definitions()}


def parse_description(value: Any) -> Description:
    """Check a description that came over the network.

    Args:
        value: As unpacked.

    Raises:
        CallError: It is malformed, unknown, or of a blueprint that is not simulated.
    """
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not isinstance(value[1], str)
        or not isinstance(value[2], list)
    ):
        raise CallError("actor description: expected number, name and attributes")
    name = value[1]
    if name in tables.NOT_SIMULATED:
        raise CallError(f"{name}: not simulated by this server (docs/how-to/carla-server.md)")
    definition = _by_name().get(name)
    if definition is None:
        raise CallError(f"blueprint {name[:80]!r}: unknown to this server")
    attributes = {row[0]: (row[1], row[2]) for row in definition[3]}
    for row in value[2][:MAX_ATTRIBUTES]:
        if not isinstance(row, list) or len(row) != 3 or not isinstance(row[0], str) or not isinstance(row[2], str):
            raise CallError(f"{name}: expected attributes of name, type and value")
        if row[0] in attributes:
            attributes[row[0]] = (attributes[row[0]][0], row[2][:200])
    return Description(uid=definition[0], type_id=name, attributes=attributes)


def body_of(type_id: str) -> Body:
    """Return the dimensions of a blueprint's body; zero for sensors and the like.

    Args:
        type_id: Of the blueprint.
    """
    if type_id in tables.VEHICLES:
        length, width, height, wheelbase = tables.VEHICLES[type_id][:4]
        return Body(length_m=length, width_m=width, height_m=height, wheelbase_m=wheelbase)
    if type_id.startswith("walker."):
        return tables.WALKER_BODY
    length, width, height = tables.PROPS.get(type_id, (0.0, 0.0, 0.0))
    return Body(length_m=length, width_m=width, height_m=height)


def vehicle_model(type_id: str) -> VehicleModel:
    """Return the vehicle model of a blueprint; the axles lie symmetrically between the bumpers.

    Args:
        type_id: Of a vehicle.
    """
    body = body_of(type_id)
    return VehicleModel(
        length_m=body.length_m,
        width_m=body.width_m,
        height_m=body.height_m,
        wheelbase_m=body.wheelbase_m,
        rear_overhang_m=(body.length_m - body.wheelbase_m) / 2.0,
        max_steer_rad=1.2217,
        max_steer_rate_radps=4.0,
        max_accel_mps2=6.0,
        max_decel_mps2=9.0,
        actuator_delay_s=0.05,
    )
