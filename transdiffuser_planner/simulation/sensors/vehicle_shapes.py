"""Shapes of vehicles and people beyond the templates of agent_meshes: chosen by class, size and number of an agent."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.simulation.sensors.agent_meshes import (
    BODY,
    BRAKE,
    GLASS,
    HEADLIGHT,
    SKIN,
    TEMPLATES,
    TIRE,
    TROUSERS,
    Template,
    add_box,
    add_lights,
    add_plate,
    add_prism,
    mesh_of,
    template,
)
from transdiffuser_planner.simulation.sensors.mesh import Color, Mesh, MeshBuilder

WHEEL_X = (-0.31, 0.31)
STEEL: Color = (0.55, 0.56, 0.58)


def _wheels(b: MeshBuilder, places: tuple[float, ...], top: float, half: float = 0.07) -> None:
    for x in places:
        for y in (-0.49, 0.38):
            add_box(b, (x - half, y, 0.0), (x + half, y + 0.11, top), TIRE)


def _cabin(b: MeshBuilder, bottom: tuple[float, float], top: tuple[float, float], z: tuple[float, float]) -> None:
    add_prism(b, bottom, top, (-0.47, 0.47), (-0.37, 0.37), z, BODY, GLASS, GLASS, GLASS)


def _low_car(cabin_bottom: tuple[float, float], cabin_top: tuple[float, float], belt: float) -> MeshBuilder:
    """A car of hood, cabin and perhaps trunk; the hood falls to the front."""
    b = MeshBuilder()
    add_prism(b, (-0.5, 0.5), (-0.48, 0.49), (-0.48, 0.48), (-0.5, 0.5), (0.13, 0.34), BODY)
    add_prism(b, (-0.48, 0.49), (-0.46, 0.42), (-0.5, 0.5), (-0.47, 0.47), (0.34, belt), BODY)
    _cabin(b, cabin_bottom, cabin_top, (belt, 1.0))
    _wheels(b, WHEEL_X, 0.42)
    for side in (-1.0, 1.0):
        inner, outer = sorted((side * 0.46, side * 0.56))
        add_box(b, (0.12, inner, belt - 0.03), (0.17, outer, belt + 0.09), BODY)
    add_lights(b, (0.38, 0.5), 0.2)
    return b


def _van(nose: float) -> MeshBuilder:
    b = MeshBuilder()
    add_prism(b, (-0.5, 0.5), (-0.5, 0.5), (-0.5, 0.5), (-0.5, 0.5), (0.1, 0.45), BODY)
    add_prism(b, (-0.5, 0.5 - nose), (-0.49, 0.22), (-0.5, 0.5), (-0.42, 0.42), (0.45, 1.0), BODY, GLASS)
    _wheels(b, WHEEL_X, 0.3)
    add_lights(b, (0.3, 0.4), 0.15)
    return b


def _pickup() -> MeshBuilder:
    b = MeshBuilder()
    add_box(b, (-0.5, -0.5, 0.2), (0.5, 0.5, 0.42), BODY)
    add_box(b, (0.22, -0.47, 0.42), (0.48, 0.47, 0.6), BODY)
    _cabin(b, (-0.1, 0.26), (-0.06, 0.16), (0.42, 1.0))
    for y in (-0.5, 0.45):
        add_box(b, (-0.5, y, 0.42), (-0.1, y + 0.05, 0.6), BODY)
    add_box(b, (-0.5, -0.5, 0.42), (-0.47, 0.5, 0.6), BODY)
    _wheels(b, WHEEL_X, 0.4)
    add_lights(b, (0.4, 0.52), 0.12)
    return b


def _bus() -> MeshBuilder:
    b = MeshBuilder()
    add_box(b, (-0.5, -0.5, 0.1), (0.5, 0.5, 0.35), BODY)
    add_box(b, (-0.5, -0.495, 0.35), (0.5, 0.495, 0.72), GLASS)
    add_box(b, (-0.5, -0.5, 0.72), (0.5, 0.5, 1.0), BODY)
    _wheels(b, (-0.24, 0.27), 0.28, 0.045)
    add_lights(b, (0.16, 0.24), 0.12)
    return b


def _box_truck(color: Color, *, flatbed: bool) -> MeshBuilder:
    b = MeshBuilder()
    add_box(b, (-0.5, -0.5, 0.22), (0.2, 0.5, 0.4 if flatbed else 1.0), color)
    if flatbed:
        add_box(b, (-0.42, -0.4, 0.4), (0.1, 0.35, 0.62), STEEL)
    add_prism(b, (0.24, 0.5), (0.24, 0.44), (-0.47, 0.47), (-0.45, 0.45), (0.12, 0.78), BODY, GLASS)
    for x in (-0.36, -0.22, 0.36):
        add_box(b, (x - 0.06, -0.49, 0.0), (x + 0.06, -0.36, 0.24), TIRE)
        add_box(b, (x - 0.06, 0.36, 0.0), (x + 0.06, 0.49, 0.24), TIRE)
    add_lights(b, (0.16, 0.24), 0.14)
    return b


def _scooter() -> MeshBuilder:
    b = MeshBuilder()
    for x in (-0.36, 0.36):
        add_box(b, (x - 0.13, -0.12, 0.0), (x + 0.13, 0.12, 0.34), TIRE)
    add_prism(b, (-0.42, 0.1), (-0.35, 0.05), (-0.25, 0.25), (-0.2, 0.2), (0.2, 0.55), BODY)
    add_prism(b, (0.18, 0.34), (0.14, 0.2), (-0.3, 0.3), (-0.45, 0.45), (0.2, 0.72), BODY)
    add_box(b, (-0.2, -0.3, 0.5), (0.05, 0.3, 0.84), TROUSERS)
    add_box(b, (-0.08, -0.2, 0.84), (0.1, 0.2, 1.0), BODY)
    add_plate(b, -0.43, (-0.2, 0.2), (0.4, 0.5), BRAKE)
    add_plate(b, 0.35, (-0.15, 0.15), (0.5, 0.62), HEADLIGHT)
    return b


def _person(legs: float, shoulders: float, coat: float) -> MeshBuilder:
    b = MeshBuilder()
    add_prism(b, (-0.3, -0.02), (-0.14, 0.16), (-0.36, -0.04), (-0.3, -0.02), (0.0, coat), TROUSERS)
    add_prism(b, (0.02, 0.3), (-0.14, 0.16), (0.04, 0.36), (0.02, 0.3), (0.0, coat), TROUSERS)
    add_prism(b, (-0.24, 0.24), (-0.2, 0.22), (-legs, legs), (-shoulders, shoulders), (coat - 0.03, 0.84), BODY)
    add_box(b, (-0.2, -0.17, 0.86), (0.22, 0.17, 1.0), SKIN)
    return b


@cache
def _shapes() -> dict[str, Template]:
    builders = {
        "sedan": _low_car((-0.38, 0.2), (-0.24, 0.06), 0.62),
        "hatchback": _low_car((-0.48, 0.22), (-0.4, 0.08), 0.62),
        "coupe": _low_car((-0.4, 0.12), (-0.16, -0.02), 0.66),
        "wagon": _low_car((-0.48, 0.2), (-0.44, 0.06), 0.6),
        "suv": _low_car((-0.48, 0.24), (-0.44, 0.12), 0.58),
        "minivan": _low_car((-0.48, 0.34), (-0.46, 0.12), 0.55),
        "pickup": _pickup(),
        "van": _van(0.04),
        "delivery": _van(0.14),
        "bus": _bus(),
        "box_truck": _box_truck((0.72, 0.72, 0.7), flatbed=False),
        "painted_truck": _box_truck(BODY, flatbed=False),
        "flatbed": _box_truck(STEEL, flatbed=True),
        "scooter": _scooter(),
        "walking": _person(0.34, 0.46, 0.48),
        "coat": _person(0.44, 0.4, 0.3),
    }
    return {name: template(builder) for name, builder in builders.items()}


def shape_names(agents: AgentStates) -> NDArray[np.str_]:
    """Return the name of each agent's shape (N,); "" for the template of its class.

    Args:
        agents: Class, size and number count.
    """
    mixed = (agents.id_N.astype(np.uint64) * np.uint64(2654435761) >> np.uint64(8)) % np.uint64(1000)
    names = np.full(len(agents), "", dtype="<U16")
    tall = agents.height_m_N
    is_car = agents.class_N == int(AgentClass.CAR)
    for mask, options in (
        (is_car & (tall < 1.62), ("sedan", "hatchback", "wagon", "coupe", "", "sedan")),
        (is_car & (tall >= 1.62) & (tall < 1.95), ("suv", "minivan", "pickup", "suv", "wagon")),
        (is_car & (tall >= 1.95), ("van", "delivery", "van")),
        (agents.class_N == int(AgentClass.TRUCK), ("box_truck", "painted_truck", "flatbed", "bus", "")),
        (agents.class_N == int(AgentClass.MOTORCYCLE), ("scooter", "")),
        (agents.class_N == int(AgentClass.PEDESTRIAN), ("walking", "coat", "")),
    ):
        names[mask] = np.asarray(options)[(mixed[mask] % np.uint64(len(options))).astype(np.intp)]
    names[(agents.class_N == int(AgentClass.TRUCK)) & (agents.length_m_N > 9.0)] = "bus"
    return names


def varied_meshes(agents: AgentStates, ground_m_N: NDArray[np.float64]) -> list[Mesh]:
    """Return meshes of agents in shapes of their own.

    Args:
        agents: In any frame; the meshes are in the same one.
        ground_m_N: Height of the ground at each agent.
    """
    names, meshes = shape_names(agents), []
    for name in np.unique(names):
        for kind in AgentClass if name == "" else (None,):
            is_one = names == name
            if kind is not None:
                is_one &= agents.class_N == int(kind)
            index = np.flatnonzero(is_one)
            if len(index):
                shape = TEMPLATES[kind] if kind is not None else _shapes()[str(name)]
                meshes.append(mesh_of(agents.select(index), shape, ground_m_N[index]))
    return meshes
