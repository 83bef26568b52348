"""GNSS positions become meters as CARLA projects them, and a filter follows the vehicle through their noise."""

import importlib.metadata
import math

import numpy as np
import pytest
from opendrive_maps import straight_road

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.integrations.carla.geodesy import EARTH_RADIUS_M, LocalMap
from transdiffuser_planner.integrations.carla.gnss_frame import GnssFrame
from transdiffuser_planner.integrations.carla.localization import Localizer, VehicleReading
from transdiffuser_planner.integrations.carla.map_reference import reference_of_town
from transdiffuser_planner.integrations.carla.route.gps_route import origin_of, positions, smooth_line

DEGREE_M = EARTH_RADIUS_M * math.pi / 180.0


def test_a_degree_on_the_equator_has_its_length_and_a_parallel_shrinks_by_the_cosine() -> None:
    equator = LocalMap(latitude_deg=0.0, longitude_deg=10.0)
    assert equator.xy(0.0, 11.0) == pytest.approx([DEGREE_M, 0.0])
    assert equator.xy(0.001, 10.0) == pytest.approx([0.0, 0.001 * DEGREE_M])
    parallel = LocalMap(latitude_deg=60.0, longitude_deg=0.0)
    assert parallel.xy(60.0, 0.001) == pytest.approx([0.5 * 0.001 * DEGREE_M, 0.0])
    assert parallel.xy(60.001, 0.0)[1] == pytest.approx(0.001 * DEGREE_M, rel=1e-4)
    with pytest.raises(InputError, match="no place"):
        LocalMap(latitude_deg=90.0, longitude_deg=0.0)


def test_positions_of_0_9_16_are_those_of_carlas_own_projection() -> None:
    carla = pytest.importorskip("carla")
    if importlib.metadata.version("carla") != "0.9.16":
        pytest.skip("another version of CARLA's package")
    town = carla.Map("town", straight_road(100.0, "+proj=tmerc +lat_0=49 +lon_0=8"))
    local, is_0_9_16 = reference_of_town(town)
    assert is_0_9_16 and (local.latitude_deg, local.longitude_deg) == pytest.approx((49.0, 8.0))
    assert local.scale == pytest.approx(0.9996, abs=1e-5)
    for x, y in ((500.0, -300.0), (-800.0, 900.0)):
        place = town.transform_to_geolocation(carla.Location(x=x, y=y))
        assert local.xy_of_0_9_16(place.latitude, place.longitude) == pytest.approx([x, -y], abs=0.15)


def _readings(local: LocalMap, y_m: float, *, is_0_9_16: bool) -> tuple[float, float]:
    """Latitude and longitude of a place at x = 0, on the equator."""
    degrees_per_m = 1.0 / DEGREE_M
    return (-y_m * degrees_per_m / 0.9996 if is_0_9_16 else y_m * degrees_per_m), 0.0


@pytest.mark.parametrize("is_0_9_16", [False, True])
@pytest.mark.parametrize("start_m", [-300.0, 1.0, 40.0])
def test_the_projection_shows_at_the_start_or_after_some_meters(is_0_9_16: bool, start_m: float) -> None:
    local = LocalMap(latitude_deg=0.0, longitude_deg=0.0, scale=0.9996)
    frame = GnssFrame(local, np.asarray([0.0, start_m]), is_at_reference=True)
    for moved_m in np.arange(0.0, 30.0, 0.5):
        reading = _readings(local, start_m + moved_m, is_0_9_16=is_0_9_16)
        found = frame.xy(*reading, moved_m)
        if abs(start_m) > 6.0 or moved_m > 8.5:
            assert frame.is_mirrored is is_0_9_16
            assert found == pytest.approx([0.0, start_m + moved_m], abs=0.01)


def test_without_the_reference_mirrored_positions_begin_at_the_plans_first_point() -> None:
    away = LocalMap(latitude_deg=0.003, longitude_deg=0.0, scale=0.9996)  # 334 m to the north of the map's reference
    frame = GnssFrame(away, np.zeros(2), is_at_reference=False)
    reference = LocalMap(latitude_deg=0.0, longitude_deg=0.0)
    for moved_m in (0.0, 10.0, 25.0):
        reading = _readings(reference, 0.003 * DEGREE_M + moved_m, is_0_9_16=True)
        assert frame.xy(*reading, moved_m) == pytest.approx([0.0, moved_m], abs=0.01)


def test_a_route_far_from_the_reference_keeps_its_lengths() -> None:
    reference = LocalMap(latitude_deg=42.0, longitude_deg=2.0)
    scale = math.cos(math.radians(42.0))
    lon = 2.0 + 1000.0 / (DEGREE_M * scale)
    plan = [({"lat": 42.0, "lon": lon + dx / (DEGREE_M * scale), "z": 0.0}, None) for dx in (0.0, 400.0)]
    assert positions(plan, reference)[:, 0] == pytest.approx([1000.0, 1400.0], abs=1e-3)
    assert positions(plan, origin_of(plan))[:, 0] == pytest.approx([0.0, 400.0], abs=0.1)


@pytest.mark.parametrize(
    "plan", [[], [({"lat": 1.0, "lon": 2.0}, None)], [({"lat": 1.0}, None)] * 2, [(None, None)] * 3]
)
def test_a_plan_without_coordinates_is_refused(plan: list) -> None:
    with pytest.raises(InputError, match="route: expected"):
        origin_of(plan)


def test_the_line_passes_all_points_of_a_plan_and_stays_straight_between_points_in_line() -> None:
    corners = np.asarray([[0.0, 0.0], [60.0, 0.0], [60.2, 0.0], [100.0, 0.0], [110.0, 10.0], [110.0, 80.0]])
    line = smooth_line(corners)
    gaps = np.hypot(*(line[:, None] - corners[[0, 1, 3, 4, 5]]).T).min(axis=1)
    assert gaps.max() < 1e-9
    assert np.abs(line[line[:, 0] < 60.0][:, 1]).max() < 0.2
    steps = np.hypot(*np.diff(line, axis=0).T)
    assert steps.max() < 3.0 and steps.min() > 0.5
    with pytest.raises(InputError, match="one place"):
        smooth_line(np.zeros((3, 2)))


@pytest.mark.parametrize("has_speed", [True, False])
def test_the_filter_halves_the_noise_many_times_over_on_a_circle(has_speed: bool) -> None:
    random, localizer = np.random.default_rng(3), Localizer()
    radius, speed, errors = 40.0, 8.0, []
    for index in range(400):
        angle = speed / radius * 0.05 * index
        truth = np.asarray([radius * math.sin(angle), radius * (1.0 - math.cos(angle))])
        reading = VehicleReading(
            stamp_ns=index * 50_000_000,
            xy_2=truth + random.normal(0.0, 0.55, 2),
            heading_rad=(angle + math.pi) % (2.0 * math.pi) - math.pi,
            yaw_rate_radps=speed / radius,
            acceleration_mps2=0.0,
            speed_mps=speed if has_speed else None,
        )
        ego = localizer.update(reading)
        assert ego is not None
        errors.append(math.hypot(ego.x_m - truth[0], ego.y_m - truth[1]))
    assert np.sqrt(np.mean(np.square(errors[200:]))) < (0.2 if has_speed else 0.4)
    assert ego.vx_mps == pytest.approx(speed, abs=0.05 if has_speed else 0.6)


def test_no_state_is_invented_before_the_first_position() -> None:
    reading = VehicleReading(
        stamp_ns=0, xy_2=None, heading_rad=0.0, yaw_rate_radps=0.0, acceleration_mps2=0.0, speed_mps=1.0
    )
    assert Localizer().update(reading) is None
