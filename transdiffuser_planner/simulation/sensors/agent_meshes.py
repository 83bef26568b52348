"""Meshes of agents with few triangles and recognizable front, rear and brake lights.

Each class has one template in a unit box (x forward, y left, each -0.5..0.5, z 0..1); per frame all agents of a class
are scaled, turned and moved at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.core.agents import AgentClass, AgentStates
from transdiffuser_planner.core.view_semantics import ViewClass
from transdiffuser_planner.simulation.sensors.mesh import Color, Mesh, MeshBuilder, Triangles

BODY: Color = (-1.0, -1.0, -1.0)  # replaced by the agent's own color
BRAKE: Color = (-2.0, -2.0, -2.0)  # replaced by dark or bright red
GLASS: Color = (0.08, 0.11, 0.15)
TIRE: Color = (0.04, 0.04, 0.04)
HEADLIGHT: Color = (1.0, 1.0, 0.92)
SKIN: Color = (0.72, 0.52, 0.42)
TROUSERS: Color = (0.12, 0.13, 0.22)
BRAKE_DARK = np.asarray([0.28, 0.02, 0.02])
BRAKE_BRIGHT = np.asarray([3.0, 0.15, 0.10])
PAINTS = np.asarray(
    [
        (0.75, 0.75, 0.76), (0.08, 0.08, 0.09), (0.50, 0.06, 0.06), (0.10, 0.17, 0.42), (0.34, 0.35, 0.37),
        (0.86, 0.86, 0.84), (0.12, 0.30, 0.20), (0.62, 0.52, 0.20), (0.30, 0.42, 0.52), (0.55, 0.25, 0.10),
    ]
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Template:
    """Mesh of a class in the unit box.

    Attributes:
        vertices_V3: In the unit box, each once.
        triangles_F3: Numbers of the vertices of each triangle.
        albedo_F3: RGB, or the codes BODY and BRAKE.
    """

    vertices_V3: NDArray[np.float64]
    triangles_F3: NDArray[np.intp]
    albedo_F3: NDArray[np.float64]


def add_box(builder: MeshBuilder, low: tuple[float, ...], high: tuple[float, ...], color: Color) -> None:
    """Append the five visible sides of a box.

    Args:
        builder: Of the template.
        low: Lowest corner, x, y, z.
        high: Highest corner.
        color: Linear RGB or a code.
    """
    add_prism(
        builder, (low[0], high[0]), (low[0], high[0]), (low[1], high[1]), (low[1], high[1]), (low[2], high[2]), color
    )


def add_prism(
    builder: MeshBuilder,
    bottom_x: tuple[float, float],
    top_x: tuple[float, float],
    bottom_y: tuple[float, float],
    top_y: tuple[float, float],
    z: tuple[float, float],
    color: Color,
    front: Color | None = None,
    sides: Color | None = None,
    back: Color | None = None,
) -> None:
    """Append a frustum with separate colors for front, sides and back.

    Args:
        builder: Of the template.
        bottom_x: Extent of the lower face, ahead.
        top_x: Extent of the upper face, ahead.
        bottom_y: Extent of the lower face, across.
        top_y: Extent of the upper face, across.
        z: Heights of both.
        color: Linear RGB or a code.
        front: Instead of color.
        sides: Instead of color.
        back: Instead of color.
    """
    ring = ((0, 0), (1, 0), (1, 1), (0, 1))
    low = [np.asarray([bottom_x[i], bottom_y[j], z[0]]) for i, j in ring]
    high = [np.asarray([top_x[i], top_y[j], z[1]]) for i, j in ring]
    colors = (sides or color, front or color, sides or color, back or color)
    for n in range(4):
        m = (n + 1) % 4
        builder.quad(np.asarray([low[n], low[m], high[m], high[n]]), colors[n])
    builder.quad(np.asarray(high), color)


def add_plate(builder: MeshBuilder, x: float, y: tuple[float, float], z: tuple[float, float], color: Color) -> None:
    """Append a rectangle across the vehicle, facing forward for x > 0, else backward.

    Args:
        builder: Of the template.
        x: Place.
        y: Extent across.
        z: Heights.
        color: Linear RGB or a code.
    """
    corners = [[x, y[0], z[0]], [x, y[1], z[0]], [x, y[1], z[1]], [x, y[0], z[1]]]
    builder.quad(np.asarray(corners if x > 0 else corners[::-1]), color)


def add_lights(builder: MeshBuilder, z: tuple[float, float], width: float) -> None:
    """Append headlights and brake lights at both sides.

    Args:
        builder: Of the template.
        z: Heights.
        width: Of each.
    """
    for side in (-1.0, 1.0):
        y = tuple(sorted((side * 0.48, side * (0.48 - width))))
        add_plate(builder, 0.503, (y[0], y[1]), z, HEADLIGHT)
        add_plate(builder, -0.503, (y[0], y[1]), z, BRAKE)


def _car() -> MeshBuilder:
    b = MeshBuilder()
    add_box(b, (-0.5, -0.5, 0.14), (0.5, 0.5, 0.58), BODY)
    add_prism(b, (-0.44, 0.20), (-0.32, 0.04), (-0.47, 0.47), (-0.38, 0.38), (0.58, 1.0), BODY, GLASS, GLASS, GLASS)
    for x in (-0.32, 0.30):
        for y in (-0.49, 0.40):
            add_box(b, (x - 0.07, y, 0.0), (x + 0.07, y + 0.09, 0.22), TIRE)
    add_plate(b, 0.502, (-0.22, 0.22), (0.22, 0.36), TIRE)
    add_lights(b, (0.40, 0.54), 0.17)
    add_plate(b, -0.503, (-0.15, 0.15), (0.28, 0.38), (0.8, 0.8, 0.75))
    return b


def _truck() -> MeshBuilder:
    b = MeshBuilder()
    add_box(b, (-0.5, -0.5, 0.20), (0.24, 0.5, 1.0), BODY)
    add_prism(b, (0.26, 0.5), (0.26, 0.46), (-0.48, 0.48), (-0.48, 0.48), (0.12, 0.72), (0.75, 0.75, 0.74))
    add_plate(b, 0.502, (-0.40, 0.40), (0.42, 0.66), GLASS)
    for x in (-0.36, -0.24, 0.36):
        add_box(b, (x - 0.05, -0.49, 0.0), (x + 0.05, 0.49, 0.20), TIRE)
    add_lights(b, (0.16, 0.24), 0.14)
    return b


def _two_wheeler(*, powered: bool) -> MeshBuilder:
    b = MeshBuilder()
    for x in (-0.34, 0.34):
        add_box(b, (x - 0.16, -0.10, 0.0), (x + 0.16, 0.10, 0.36), TIRE)
    if powered:
        add_box(b, (-0.30, -0.28, 0.20), (0.30, 0.28, 0.50), BODY)
        add_plate(b, 0.36, (-0.20, 0.20), (0.40, 0.52), HEADLIGHT)
        add_plate(b, -0.42, (-0.25, 0.25), (0.38, 0.50), BRAKE)
    else:
        add_box(b, (-0.30, -0.05, 0.30), (0.32, 0.05, 0.40), BODY)
    add_box(b, (-0.18, -0.35, 0.38), (0.08, 0.35, 0.58), TROUSERS)
    add_prism(b, (-0.20, 0.02), (-0.06, 0.14), (-0.42, 0.42), (-0.45, 0.45), (0.56, 0.86), BODY)
    add_box(b, (0.02, -0.20, 0.86), (0.16, 0.20, 1.0), BODY if powered else SKIN)
    return b


def _pedestrian() -> MeshBuilder:
    b = MeshBuilder()
    add_box(b, (-0.25, -0.38, 0.0), (0.20, -0.04, 0.48), TROUSERS)
    add_box(b, (-0.15, 0.04, 0.0), (0.30, 0.38, 0.48), TROUSERS)
    add_box(b, (-0.28, -0.50, 0.46), (0.28, 0.50, 0.82), BODY)
    add_box(b, (-0.22, -0.20, 0.84), (0.22, 0.20, 1.0), SKIN)
    return b


def template(builder: MeshBuilder) -> Template:
    """Return a template with every vertex once.

    Args:
        builder: Holds the shapes in the unit box.
    """
    mesh = builder.build()
    vertices, number = np.unique(mesh.vertices_V3.astype(np.float64), axis=0, return_inverse=True)
    triangles = number.reshape(-1)[mesh.triangles.numbers_F3]
    return Template(vertices_V3=vertices, triangles_F3=triangles, albedo_F3=mesh.albedo_F3.astype(np.float64))


TEMPLATES = {
    AgentClass.CAR: template(_car()),
    AgentClass.TRUCK: template(_truck()),
    AgentClass.MOTORCYCLE: template(_two_wheeler(powered=True)),
    AgentClass.BICYCLE: template(_two_wheeler(powered=False)),
    AgentClass.PEDESTRIAN: template(_pedestrian()),
}


VIEW_CLASSES = np.asarray(
    [ViewClass.VEHICLE if k in (AgentClass.CAR, AgentClass.TRUCK) else ViewClass.PERSON for k in AgentClass],
    dtype=np.uint8,
)
"""Class of an agent's pixels by its AgentClass; riders count as persons, with what they ride."""


def agents_meshes(agents: AgentStates) -> list[Mesh]:
    """Return one mesh for each class that is present, in the agents' frame.

    Args:
        agents: In any frame; the meshes are in the same one.
    """
    meshes = []
    for kind in AgentClass:
        index = np.flatnonzero(agents.class_N == int(kind))
        if len(index):
            meshes.append(mesh_of(agents.select(index), TEMPLATES[kind]))
    return meshes


def mesh_of(agents: AgentStates, shape: Template, ground_m_N: NDArray[np.float64] | None = None) -> Mesh:
    """Return the mesh of agents of one shape.

    Args:
        agents: In any frame; the mesh is in the same one.
        shape: Of all of them.
        ground_m_N: Height of the ground at each agent; None for 0.
    """
    vertices = _vertices(agents, shape)
    if ground_m_N is not None:
        vertices[:, 2] += np.repeat(ground_m_N, len(shape.vertices_V3))
    return Mesh(
        vertices_V3=vertices.astype(np.float32),
        triangles=_triangles(shape, len(agents)),
        albedo_F3=_albedo(agents, shape).astype(np.float32),
        class_F=np.repeat(VIEW_CLASSES[agents.class_N], len(shape.triangles_F3)),
    )


def _triangles(shape: Template, count: int) -> Triangles:
    """Return the triangles of so many agents of a shape; they are the same in every frame."""
    num = count * len(shape.triangles_F3)
    some = _triangles_of_many(shape, 1 << (count - 1).bit_length())
    return Triangles(numbers_F3=some.numbers_F3[:num], rows_F=some.rows_F[:num])


@cache
def _triangles_of_many(shape: Template, count: int) -> Triangles:
    first_N = len(shape.vertices_V3) * np.arange(count)
    return Triangles.of((first_N[:, None, None] + shape.triangles_F3).reshape(-1, 3))


def _vertices(agents: AgentStates, template: Template) -> NDArray[np.float64]:
    """Return the vertices (N * V, 3) of agents of one class."""
    unit = template.vertices_V3
    x = unit[:, 0] * agents.length_m_N[:, None]
    y = unit[:, 1] * agents.width_m_N[:, None]
    cos, sin = np.cos(agents.heading_rad_N)[:, None], np.sin(agents.heading_rad_N)[:, None]
    corners = np.empty((len(agents), len(unit), 3))
    corners[..., 0] = agents.x_m_N[:, None] + cos * x - sin * y
    corners[..., 1] = agents.y_m_N[:, None] + sin * x + cos * y
    corners[..., 2] = unit[:, 2] * agents.height_m_N[:, None]
    return corners.reshape(-1, 3)


def _albedo(agents: AgentStates, template: Template) -> NDArray[np.float64]:
    """Return the colors (N * F, 3) of agents of one class."""
    albedo = np.repeat(template.albedo_F3[None], len(agents), axis=0)
    paint = PAINTS[agents.id_N % len(PAINTS)] * (0.8 + 0.05 * (agents.id_N // 16 % 8))[:, None]
    brake = np.where(agents.braking_N[:, None], BRAKE_BRIGHT, BRAKE_DARK)
    code = template.albedo_F3[:, 0]
    albedo[:, code == -1.0] = paint[:, None]
    albedo[:, code == -2.0] = brake[:, None]
    return albedo.reshape(-1, 3)
