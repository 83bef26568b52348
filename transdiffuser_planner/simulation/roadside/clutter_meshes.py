"""Meshes of things next to the street: trees, bushes, poles, walls, fences, hedges, house fronts, bins.

Leaves are loose triangles in random directions: a LiDAR sees through them in part, as through real ones.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from transdiffuser_planner.simulation.sensors.mesh import Color, MeshBuilder

FloatArray = NDArray[np.float64]

BARK: Color = (0.23, 0.18, 0.13)
METAL: Color = (0.35, 0.36, 0.37)
CONCRETE: Color = (0.50, 0.49, 0.47)
WOOD: Color = (0.36, 0.26, 0.17)
LEAVES: tuple[Color, ...] = ((0.13, 0.24, 0.08), (0.20, 0.30, 0.10), (0.10, 0.18, 0.09), (0.32, 0.28, 0.12))
SIGNS: tuple[Color, ...] = ((0.8, 0.8, 0.8), (0.65, 0.05, 0.05), (0.05, 0.15, 0.55), (0.75, 0.6, 0.05), (0.1, 0.4, 0.2))
BINS: tuple[Color, ...] = (
    (0.10, 0.22, 0.12),
    (0.10, 0.15, 0.35),
    (0.12, 0.12, 0.13),
    (0.55, 0.30, 0.08),
    (0.45, 0.44, 0.42),
)


def _pick(random: np.random.Generator, colors: tuple[Color, ...]) -> FloatArray:
    return np.asarray(colors[int(random.integers(len(colors)))]) * float(random.uniform(0.7, 1.3))


def add_leaves(
    builder: MeshBuilder,
    center_3: FloatArray,
    radius_3: FloatArray,
    random: np.random.Generator,
    *,
    count: int,
    leaf_m: float,
) -> None:
    """Append loose triangles within an ellipsoid, denser towards its surface.

    Args:
        builder: Of the static world.
        center_3: Of the ellipsoid, m.
        radius_3: Its half axes, m.
        random: Of the drive.
        count: Of triangles.
        leaf_m: Their size.
    """
    direction = random.normal(size=(count, 3))
    direction /= np.maximum(np.linalg.norm(direction, axis=1), 1e-6)[:, None]
    middle = center_3 + direction * radius_3 * random.uniform(0.35, 1.0, (count, 1)) ** 0.5
    corners = middle[:, None] + random.normal(0.0, leaf_m, (count, 3, 3))
    corners[..., 2] = np.maximum(corners[..., 2], 0.02)
    shade = random.uniform(0.7, 1.2, (count, 1))
    builder.triangles(corners, _pick(random, LEAVES) * shade)


def add_post(builder: MeshBuilder, xy_2: FloatArray, radius_m: float, z: tuple[float, float], color: Color) -> None:
    """Append an upright post with six sides.

    Args:
        builder: Of the static world.
        xy_2: Its axis.
        radius_m: Of the post.
        z: Lower and upper end.
        color: Linear RGB.
    """
    angle = -np.arange(7) * (np.pi / 3.0)
    ring = xy_2 + radius_m * np.stack([np.cos(angle), np.sin(angle)], axis=-1)
    builder.wall(ring, z[0], z[1], color)


def add_block(
    builder: MeshBuilder, ends_22: FloatArray, thick_m: float, z: tuple[float, float], color: FloatArray | Color
) -> None:
    """Append an upright block along a line: walls, boxes, benches.

    Args:
        builder: Of the static world.
        ends_22: Its axis, m.
        thick_m: Across.
        z: Lower and upper end.
        color: Linear RGB.
    """
    along = ends_22[1] - ends_22[0]
    side = np.asarray([-along[1], along[0]]) / max(float(np.hypot(*along)), 1e-6) * (thick_m / 2.0)
    ring = np.asarray([ends_22[0] + side, ends_22[1] + side, ends_22[1] - side, ends_22[0] - side])
    paint = (float(color[0]), float(color[1]), float(color[2]))
    builder.wall(np.vstack([ring, ring[:1]])[::-1], z[0], z[1], paint)
    top = np.column_stack([ring, np.full(4, z[1])])
    builder.quad(top[::-1], paint)


def add_tree(builder: MeshBuilder, xy_2: FloatArray, random: np.random.Generator) -> None:
    """Append trunk and crown.

    Args:
        builder: Of the static world.
        xy_2: Of the trunk.
        random: Of the drive.
    """
    trunk, crown = float(random.uniform(1.6, 3.2)), float(random.uniform(1.0, 2.6))
    add_post(builder, xy_2, float(random.uniform(0.07, 0.28)), (-0.2, trunk + 0.5), BARK)
    center = np.asarray([*xy_2, trunk + crown])
    radius = np.asarray([crown, crown, crown * float(random.uniform(0.8, 1.5))])
    add_leaves(builder, center, radius, random, count=int(random.integers(50, 130)), leaf_m=0.22)


def add_bush(builder: MeshBuilder, xy_2: FloatArray, random: np.random.Generator) -> None:
    """Append a bush on the ground.

    Args:
        builder: Of the static world.
        xy_2: Its middle.
        random: Of the drive.
    """
    height = float(random.uniform(0.3, 1.2))
    radius = np.asarray([*random.uniform(0.3, 1.4, 2), height])
    center = np.asarray([*xy_2, 0.7 * height])
    add_leaves(
        builder, center, radius, random, count=int(random.integers(25, 80)), leaf_m=float(random.uniform(0.06, 0.2))
    )


def add_pole(builder: MeshBuilder, xy_2: FloatArray, random: np.random.Generator) -> None:
    """Append a lamp post, a sign, a bollard, a fat pole or a gantry foot.

    Args:
        builder: Of the static world.
        xy_2: Its foot.
        random: Of the drive.
    """
    kind = random.random()
    if kind < 0.35:
        height = float(random.uniform(5.0, 9.0))
        add_post(builder, xy_2, float(random.uniform(0.06, 0.12)), (-0.2, height), METAL)
        arm = xy_2 + random.normal(0.0, 0.9, 2)
        add_block(builder, np.asarray([xy_2, arm]), 0.15, (height - 0.15, height), METAL)
    elif kind < 0.7:
        height = float(random.uniform(1.9, 3.2))
        add_post(builder, xy_2, 0.035, (-0.2, height), METAL)
        angle, half = random.uniform(0.0, np.pi), float(random.uniform(0.2, 0.45))
        across = half * np.asarray([np.cos(angle), np.sin(angle)])
        ends = np.asarray([xy_2 - across, xy_2 + across])
        add_block(builder, ends, 0.03, (height - 2.0 * half, height), _pick(random, SIGNS))
    elif kind < 0.85:
        add_post(builder, xy_2, float(random.uniform(0.05, 0.12)), (-0.2, float(random.uniform(0.6, 1.1))), CONCRETE)
    else:
        add_post(builder, xy_2, float(random.uniform(0.12, 0.3)), (-0.2, float(random.uniform(3.0, 9.0))), WOOD)


def add_thing(builder: MeshBuilder, xy_2: FloatArray, random: np.random.Generator) -> None:
    """Append a bin, a hydrant, a switch box, a bench, a stack or a cone.

    Args:
        builder: Of the static world.
        xy_2: Its middle.
        random: Of the drive.
    """
    angle = random.uniform(0.0, np.pi)
    half = float(random.uniform(0.15, 1.0)) if random.random() < 0.6 else 0.2
    across = half * np.asarray([np.cos(angle), np.sin(angle)])
    size = float(random.uniform(0.25, 0.8))
    add_block(
        builder,
        np.asarray([xy_2 - across, xy_2 + across]),
        size,
        (-0.1, float(random.uniform(0.4, 1.6))),
        _pick(random, BINS),
    )


def add_barrier(builder: MeshBuilder, line_N2: FloatArray, kind: str, random: np.random.Generator) -> None:
    """Append a wall, fence, rail or hedge along a line.

    Args:
        builder: Of the static world.
        line_N2: Points every meter.
        kind: "wall", "fence", "rail" or "hedge".
        random: Of the drive.
    """
    height = float(random.uniform(0.5, 2.2))
    if kind == "wall":
        color = np.asarray(CONCRETE) * float(random.uniform(0.5, 1.3)) * random.uniform(0.85, 1.12, 3)
        for first in range(0, len(line_N2) - 1, 3):
            ends = line_N2[[first, min(first + 3, len(line_N2) - 1)]]
            add_block(builder, ends, 0.25, (-0.3, height), color)
        return
    if kind == "hedge":
        for place in line_N2:
            center = np.asarray([*(place + random.normal(0.0, 0.1, 2)), 0.5 * height])
            radius = np.asarray([0.7, 0.7, 0.55 * height])
            add_leaves(builder, center, radius, random, count=int(14 + 16 * height), leaf_m=0.14)
        return
    slats = kind == "fence"
    for a, b in itertools.pairwise(line_N2):
        add_block(builder, np.asarray([a, a + 0.06 * (b - a)]), 0.08, (-0.2, height), WOOD if slats else METAL)
        for z in (0.4 * height, height - 0.12):
            add_block(builder, np.asarray([a, b]), 0.04, (z, z + 0.12), WOOD if slats else METAL)
        if slats:
            for share in np.arange(0.15, 1.0, 0.25):
                slat = a + share * (b - a)
                add_block(builder, np.asarray([slat, slat + 0.12 * (b - a)]), 0.02, (0.05, height), WOOD)


def add_front(builder: MeshBuilder, line_N2: FloatArray, out_N2: FloatArray, random: np.random.Generator) -> None:
    """Append house fronts with recesses, steps, windows and eaves along a line.

    Args:
        builder: Of the static world.
        line_N2: Points every meter.
        out_N2: Unit vectors away from the street.
        random: Of the drive.
    """
    first = 0
    while first < len(line_N2) - 2:
        last = min(first + int(random.integers(2, 11)), len(line_N2) - 1)
        back = float(random.uniform(0.0, 1.8))
        row = line_N2[[first, last]] + back * out_N2[[first, last]]
        height = float(random.uniform(3.0, 9.0))
        color = np.asarray((0.55, 0.48, 0.42)) * float(random.uniform(0.5, 1.4)) * random.uniform(0.82, 1.15, 3)
        sill, lintel = float(random.uniform(0.7, 1.3)), float(random.uniform(1.9, 2.6))
        add_block(builder, row, 0.3, (-0.4, sill), color)
        add_block(builder, row, 0.22, (sill, lintel), (0.16, 0.20, 0.26))
        add_block(builder, row, 0.3, (lintel, height), color)
        side = np.asarray([row[1], row[1] + 4.0 * out_N2[last]])
        add_block(builder, side, 0.3, (-0.4, height), color)
        if random.random() < 0.4:
            step = row[0] + 0.5 * (row[1] - row[0]) - 0.5 * out_N2[first]
            add_block(
                builder,
                np.asarray([step, step + 0.3 * (row[1] - row[0])]),
                0.9,
                (-0.2, float(random.uniform(0.2, 0.9))),
                CONCRETE,
            )
        first = last + int(random.random() < 0.25) * int(random.integers(1, 5))
