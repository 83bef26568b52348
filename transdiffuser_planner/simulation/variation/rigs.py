"""Rigs of public data sets and of CARLA, changed at random: cameras moved, turned, other lenses, missing; LiDAR elsewhere.

Images are rendered at about the angular resolution of the model's view and only where it looks: cameras to the rear
are left out.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from transdiffuser_planner.core.rig import CameraMount, LidarMount, Rig
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.simulation.variation.recipe import RecordingRecipe

# Focal length in pixels at which wide images are rendered; the model's view has 198.
RENDERED_FOCAL_PX = 210.0
MIN_PIXELS, MAX_PIXELS = 48, 520
# Tangents of the highest and lowest rows that are kept; the model's view has 0.40 and 0.24.
UP, DOWN = 0.47, 0.31
# Angle of the outermost columns that are kept; the model's view has 1.206.
ACROSS = 1.25
# Pixels of all cameras together, which bounds the time of a frame; the default rig has 65536.
ALL_PIXELS = 56000


def _camera(
    name: str, size: tuple[int, int], focal_px: float, place: tuple[float, float, float], yaw: float
) -> CameraMount:
    """Return a camera with its principal point in the middle."""
    width, height = size
    x_m, y_m, z_m = place
    return CameraMount(
        name=name, width=width, height=height, fx=focal_px, fy=focal_px, cx=width / 2.0, cy=height / 2.0,
        x_m=x_m, y_m=y_m, z_m=z_m, yaw_rad=yaw,
    )  # fmt: skip


def base_rig(name: str) -> Rig:
    """Return the rig of a data set; cameras are named as those of the default rig, so that its topics hold.

    Args:
        name: One of the options ``rigs`` of a recipe.
    """
    default = Rig.load(RIGS / "carla.yaml")
    if name == "default":
        return default
    if name == "kitti":
        found = Rig.load(RIGS / "kitti.yaml")
        return replace(default, cameras=(replace(found.cameras[0], name="rgb_front"),), lidar=_at(0.76, 1.73))
    if name == "nuscenes":
        found = Rig.load(RIGS / "nuscenes.yaml")
        names = ("rgb_left", "rgb_front", "rgb_right")
        cameras = tuple(replace(c, name=n) for c, n in zip(found.cameras, names, strict=True))
        return replace(default, cameras=cameras, lidar=_at(0.94, 1.84))
    if name == "argoverse2":
        # Ring cameras: the middle one upright. Poses rounded from a log's calibration.
        left = _camera("rgb_left", (2048, 1550), 1685.0, (1.56, 0.18, 1.75), 0.785)
        front = _camera("rgb_front", (1550, 2048), 1685.0, (1.63, 0.0, 1.75), 0.0)
        right = _camera("rgb_right", (2048, 1550), 1685.0, (1.56, -0.18, 1.75), -0.785)
        return replace(default, cameras=(left, front, right), lidar=_at(1.35, 1.95))
    front = _camera("rgb_front", (800, 600), 400.0, (2.0, 0.0, 1.7), 0.0)
    return replace(default, cameras=(front,), lidar=_at(1.4, 2.4))


def _at(x_m: float, z_m: float) -> LidarMount:
    return LidarMount(name="lidar", x_m=x_m, z_m=z_m)


def draw_rig(recipe: RecordingRecipe, random: np.random.Generator) -> tuple[Rig, Rig, str]:
    """Draw a rig.

    Args:
        recipe: Ranges.
        random: Of the drive.

    Returns:
        The rig as its file states it, the rig as it is, which differs by the calibration's errors, and its name.
    """
    name = recipe.choose(random, "rigs")
    rig = base_rig(name)
    cameras = tuple(_varied(rendered(camera), recipe, random) for camera in rig.cameras)
    share = math.sqrt(min(1.0, ALL_PIXELS / sum(camera.width * camera.height for camera in cameras)))
    cameras = tuple(_resized(camera, share) for camera in cameras)
    kept = tuple(camera for camera in cameras if not recipe.hit(random, "cameras", "missing"))
    lidar = None if recipe.hit(random, "lidar", "absent") else _varied_lidar(rig.lidar, name, recipe, random)
    if recipe.hit(random, "cameras", "none") and lidar is not None:
        kept = ()
    if not kept and lidar is None:
        kept = cameras
    stated = replace(rig, cameras=kept, lidar=lidar)
    return stated, _with_errors(stated, recipe, random), name


def rendered(camera: CameraMount) -> CameraMount:
    """Return the camera with as many pixels as the model's view needs: the same image, smaller.

    Args:
        camera: Of a data set.
    """
    return _resized(camera, min(1.0, RENDERED_FOCAL_PX / camera.fx))


def _cropped(camera: CameraMount) -> CameraMount:
    """Cut the rows and columns that the model's view never sees, with a margin for pitch and yaw."""
    top, past_row = _kept(camera.cy, UP * camera.fy, DOWN * camera.fy, camera.height)
    # A column's direction is the camera's yaw plus the angle to the left of its axis.
    to_left, to_right = math.tan(min(ACROSS - camera.yaw_rad, 1.2)), math.tan(min(ACROSS + camera.yaw_rad, 1.2))
    left, past_column = _kept(camera.cx, to_left * camera.fx, to_right * camera.fx, camera.width)
    return replace(camera, width=past_column - left, cx=camera.cx - left, height=past_row - top, cy=camera.cy - top)


def _kept(center: float, before: float, after: float, size: int) -> tuple[int, int]:
    """Return the first pixel that is kept and the one past the last; all of them where few would be left."""
    first, past = max(0, math.floor(center - before)), min(size, math.ceil(center + after))
    return (first, past) if past - first >= MIN_PIXELS else (0, size)


def _resized(camera: CameraMount, factor: float) -> CameraMount:
    width, height = max(MIN_PIXELS, round(camera.width * factor)), max(MIN_PIXELS, round(camera.height * factor))
    width, height = min(width, MAX_PIXELS), min(height, MAX_PIXELS)
    across, down = width / camera.width, height / camera.height
    return replace(
        camera, width=width, height=height, fx=camera.fx * across, cx=camera.cx * across, fy=camera.fy * down,
        cy=camera.cy * down,
    )  # fmt: skip


def _varied(camera: CameraMount, recipe: RecordingRecipe, random: np.random.Generator) -> CameraMount:
    """Move and turn a camera, and give it another lens and resolution."""
    lens = recipe.draw(random, "cameras", "field_of_view")
    shift = [recipe.draw(random, "cameras", "shift_m") for _ in range(2)]
    moved = replace(
        camera,
        fx=camera.fx / lens,
        fy=camera.fy / lens,
        x_m=camera.x_m + shift[0],
        y_m=camera.y_m + shift[1],
        z_m=max(0.8, camera.z_m + recipe.draw(random, "cameras", "height_m")),
        pitch_rad=camera.pitch_rad + recipe.draw(random, "cameras", "pitch_rad"),
    )
    return _cropped(_resized(moved, recipe.draw(random, "cameras", "resolution")))


def _varied_lidar(
    lidar: LidarMount | None, name: str, recipe: RecordingRecipe, random: np.random.Generator
) -> LidarMount:
    """Place a LiDAR: half of the time where the rig has it, else anywhere within the recipe's ranges."""
    x_m, y_m, z_m = (recipe.draw(random, "lidar", key) for key in ("x_m", "y_m", "z_m"))
    tilt = [recipe.draw(random, "lidar", "tilt_rad") for _ in range(2)]
    if lidar is not None and random.random() < 0.5:
        x_m, y_m, z_m = lidar.x_m, lidar.y_m, lidar.z_m
    yaw = -np.pi / 2.0 if name == "nuscenes" else 0.0
    return LidarMount(
        name="lidar", x_m=x_m, y_m=y_m, z_m=z_m, roll_rad=tilt[0], pitch_rad=tilt[1], yaw_rad=yaw, own_margin_m=0.25
    )


def _with_errors(rig: Rig, recipe: RecordingRecipe, random: np.random.Generator) -> Rig:
    """Turn every sensor by angles that the rig file does not state."""

    def error(section: str, key: str) -> float:
        return recipe.draw(random, section, key)

    cameras = tuple(
        replace(
            camera,
            roll_rad=camera.roll_rad + error("cameras", "angle_error_rad"),
            pitch_rad=camera.pitch_rad + error("cameras", "angle_error_rad"),
            yaw_rad=camera.yaw_rad + error("cameras", "angle_error_rad"),
        )
        for camera in rig.cameras
    )
    lidar = rig.lidar and replace(
        rig.lidar,
        roll_rad=rig.lidar.roll_rad + error("lidar", "tilt_error_rad"),
        pitch_rad=rig.lidar.pitch_rad + error("lidar", "tilt_error_rad"),
    )
    return replace(rig, cameras=cameras, lidar=lidar)
