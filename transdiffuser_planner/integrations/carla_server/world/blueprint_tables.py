"""Blueprints that the server offers: names and attributes of CARLA 0.9.16, dimensions of the project's own bodies.

Dimensions of vehicles are rounded from the manufacturers' data sheets; what is not driven or seen differently (doors, lights,
liveries) is left out.
"""

from __future__ import annotations

from dataclasses import dataclass

BOOL, INT, FLOAT, STRING, COLOR = 1, 2, 3, 4, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Body:
    """Dimensions of what can be seen and hit.

    Attributes:
        length_m, width_m, height_m: Of the box.
        wheelbase_m: 0 of what has no wheels.
    """

    length_m: float
    width_m: float
    height_m: float
    wheelbase_m: float = 0.0


# length, width, height, wheelbase (m), base type, generation, special type
VEHICLES: dict[str, tuple[float, float, float, float, str, int, str]] = {
    "vehicle.audi.a2": (3.83, 1.67, 1.55, 2.41, "car", 1, ""),
    "vehicle.audi.etron": (4.90, 1.94, 1.63, 2.93, "car", 1, "electric"),
    "vehicle.audi.tt": (4.18, 1.83, 1.35, 2.47, "car", 1, ""),
    "vehicle.bmw.grandtourer": (4.57, 1.80, 1.61, 2.78, "car", 1, ""),
    "vehicle.carlamotors.carlacola": (5.20, 2.00, 2.40, 3.20, "truck", 1, ""),
    "vehicle.carlamotors.european_hgv": (7.90, 2.50, 3.50, 4.50, "truck", 2, ""),
    "vehicle.carlamotors.firetruck": (8.40, 2.50, 3.40, 4.60, "truck", 2, "emergency"),
    "vehicle.chevrolet.impala": (5.11, 1.85, 1.49, 2.84, "car", 1, ""),
    "vehicle.citroen.c3": (3.94, 1.73, 1.52, 2.47, "car", 1, ""),
    "vehicle.dodge.charger_2020": (5.04, 1.90, 1.48, 3.05, "car", 2, ""),
    "vehicle.dodge.charger_police": (5.04, 1.90, 1.55, 3.05, "car", 1, "emergency"),
    "vehicle.dodge.charger_police_2020": (5.04, 1.90, 1.60, 3.05, "car", 2, "emergency"),
    "vehicle.ford.ambulance": (6.00, 2.20, 2.60, 3.50, "van", 2, "emergency"),
    "vehicle.ford.crown": (5.37, 1.98, 1.48, 2.91, "car", 2, "taxi"),
    "vehicle.ford.mustang": (4.72, 1.83, 1.30, 2.74, "car", 1, ""),
    "vehicle.jeep.wrangler_rubicon": (4.20, 1.87, 1.85, 2.42, "car", 1, ""),
    "vehicle.lincoln.mkz_2017": (4.93, 1.86, 1.48, 2.85, "car", 1, ""),
    "vehicle.lincoln.mkz_2020": (4.93, 1.86, 1.48, 2.85, "car", 2, ""),
    "vehicle.mercedes.coupe": (4.70, 1.81, 1.40, 2.84, "car", 1, ""),
    "vehicle.mercedes.coupe_2020": (4.70, 1.81, 1.40, 2.84, "car", 2, ""),
    "vehicle.mercedes.sprinter": (5.93, 2.02, 2.60, 3.67, "van", 2, ""),
    "vehicle.micro.microlino": (2.52, 1.47, 1.50, 1.57, "car", 1, "electric"),
    "vehicle.mini.cooper_s": (3.82, 1.73, 1.41, 2.50, "car", 1, ""),
    "vehicle.mini.cooper_s_2021": (3.85, 1.73, 1.42, 2.50, "car", 2, ""),
    "vehicle.mitsubishi.fusorosa": (8.00, 2.30, 2.90, 4.60, "bus", 2, ""),
    "vehicle.nissan.micra": (3.78, 1.67, 1.52, 2.45, "car", 1, ""),
    "vehicle.nissan.patrol": (5.05, 1.94, 1.85, 2.97, "car", 1, ""),
    "vehicle.nissan.patrol_2021": (5.17, 2.00, 1.95, 3.08, "car", 2, ""),
    "vehicle.seat.leon": (4.26, 1.82, 1.46, 2.64, "car", 1, ""),
    "vehicle.tesla.cybertruck": (5.68, 2.03, 1.79, 3.64, "truck", 1, "electric"),
    "vehicle.tesla.model3": (4.69, 1.85, 1.44, 2.88, "car", 2, "electric"),
    "vehicle.toyota.prius": (4.54, 1.76, 1.47, 2.70, "car", 1, "electric"),
    "vehicle.volkswagen.t2": (4.45, 1.75, 2.00, 2.40, "van", 1, ""),
    "vehicle.volkswagen.t2_2021": (4.45, 1.75, 2.00, 2.40, "van", 2, ""),
    "vehicle.harley-davidson.low_rider": (2.36, 0.76, 1.50, 1.63, "motorcycle", 1, ""),
    "vehicle.kawasaki.ninja": (2.03, 0.75, 1.50, 1.40, "motorcycle", 1, ""),
    "vehicle.vespa.zx125": (1.82, 0.70, 1.50, 1.28, "motorcycle", 1, ""),
    "vehicle.yamaha.yzf": (2.09, 0.75, 1.50, 1.46, "motorcycle", 1, ""),
    "vehicle.bh.crossbike": (1.70, 0.60, 1.75, 1.05, "bicycle", 1, ""),
    "vehicle.diamondback.century": (1.70, 0.60, 1.75, 1.00, "bicycle", 1, ""),
    "vehicle.gazelle.omafiets": (1.75, 0.60, 1.75, 1.10, "bicycle", 1, ""),
}
WALKERS = tuple(f"walker.pedestrian.{number:04d}" for number in range(1, 53))
WALKER_BODY = Body(length_m=0.5, width_m=0.6, height_m=1.75)

PROPS: dict[str, tuple[float, float, float]] = {
    "static.prop.advertisement": (0.6, 1.6, 2.6),
    "static.prop.barbeque": (0.8, 0.6, 1.0),
    "static.prop.barrel": (0.6, 0.6, 0.9),
    "static.prop.bench01": (0.6, 1.6, 0.9),
    "static.prop.bin": (0.6, 0.6, 1.0),
    "static.prop.box01": (0.5, 0.5, 0.4),
    "static.prop.box02": (0.5, 0.5, 0.4),
    "static.prop.box03": (0.5, 0.5, 0.4),
    "static.prop.briefcase": (0.15, 0.45, 0.35),
    "static.prop.busstop": (1.5, 4.0, 2.6),
    "static.prop.chainbarrier": (0.2, 1.5, 1.0),
    "static.prop.chainbarrierend": (0.2, 0.2, 1.0),
    "static.prop.clothcontainer": (1.2, 1.2, 1.8),
    "static.prop.colacan": (0.1, 0.1, 0.12),
    "static.prop.constructioncone": (0.35, 0.35, 0.6),
    "static.prop.container": (1.2, 1.8, 1.4),
    "static.prop.creasedbox01": (0.4, 0.4, 0.3),
    "static.prop.creasedbox02": (0.4, 0.4, 0.3),
    "static.prop.creasedbox03": (0.4, 0.4, 0.3),
    "static.prop.dirtdebris01": (1.2, 1.2, 0.1),
    "static.prop.dirtdebris02": (1.2, 1.2, 0.1),
    "static.prop.dirtdebris03": (1.2, 1.2, 0.1),
    "static.prop.garbage01": (0.5, 0.5, 0.3),
    "static.prop.garbage02": (0.5, 0.5, 0.3),
    "static.prop.garbage03": (0.5, 0.5, 0.3),
    "static.prop.gardenlamp": (0.2, 0.2, 1.2),
    "static.prop.guitarcase": (0.3, 1.1, 0.4),
    "static.prop.kiosk_01": (2.0, 2.0, 2.6),
    "static.prop.mailbox": (0.5, 0.5, 1.3),
    "static.prop.motorhelmet": (0.3, 0.3, 0.3),
    "static.prop.plasticchair": (0.5, 0.5, 0.8),
    "static.prop.plastictable": (0.8, 0.8, 0.7),
    "static.prop.plantpot01": (0.5, 0.5, 0.9),
    "static.prop.shoppingcart": (0.9, 0.6, 1.0),
    "static.prop.shoppingtrolley": (0.4, 0.4, 1.0),
    "static.prop.streetbarrier": (0.4, 1.2, 1.1),
    "static.prop.streetsign": (0.2, 0.6, 2.4),
    "static.prop.streetsign01": (0.2, 0.6, 2.4),
    "static.prop.streetsign04": (0.2, 0.6, 2.4),
    "static.prop.table": (0.8, 1.4, 0.8),
    "static.prop.trafficcone01": (0.35, 0.35, 0.7),
    "static.prop.trafficcone02": (0.35, 0.35, 0.7),
    "static.prop.trafficwarning": (1.2, 2.2, 2.6),
    "static.prop.trampoline": (3.0, 3.0, 1.0),
    "static.prop.trashbag": (0.6, 0.6, 0.6),
    "static.prop.trashcan01": (0.6, 0.6, 1.1),
    "static.prop.travelcase": (0.3, 0.5, 0.7),
    "static.prop.vendingmachine": (0.9, 1.0, 1.9),
    "static.prop.warningaccident": (0.1, 0.8, 1.0),
    "static.prop.warningconstruction": (0.1, 0.8, 1.0),
    "static.prop.wateringcan": (0.3, 0.2, 0.3),
}

_CAMERA = (
    ("image_size_x", INT, "800"),
    ("image_size_y", INT, "600"),
    ("fov", FLOAT, "90.0"),
    ("sensor_tick", FLOAT, "0.0"),
    ("lens_circle_falloff", FLOAT, "5.0"),
    ("lens_circle_multiplier", FLOAT, "0.0"),
    ("lens_k", FLOAT, "-1.0"),
    ("lens_kcube", FLOAT, "0.0"),
    ("lens_x_size", FLOAT, "0.08"),
    ("lens_y_size", FLOAT, "0.08"),
)
_POST_PROCESS = (
    ("enable_postprocess_effects", BOOL, "true"),
    ("gamma", FLOAT, "2.2"),
    ("iso", FLOAT, "100.0"),
    ("shutter_speed", FLOAT, "200.0"),
    ("fstop", FLOAT, "1.4"),
    ("min_fstop", FLOAT, "1.2"),
    ("blade_count", INT, "5"),
    ("exposure_mode", STRING, "histogram"),
    ("exposure_compensation", FLOAT, "0.0"),
    ("exposure_min_bright", FLOAT, "10.0"),
    ("exposure_max_bright", FLOAT, "12.0"),
    ("exposure_speed_up", FLOAT, "3.0"),
    ("exposure_speed_down", FLOAT, "1.0"),
    ("calibration_constant", FLOAT, "16.0"),
    ("focal_distance", FLOAT, "1000.0"),
    ("blur_amount", FLOAT, "1.0"),
    ("blur_radius", FLOAT, "0.0"),
    ("motion_blur_intensity", FLOAT, "0.45"),
    ("motion_blur_max_distortion", FLOAT, "0.35"),
    ("motion_blur_min_object_screen_size", FLOAT, "0.1"),
    ("slope", FLOAT, "0.88"),
    ("toe", FLOAT, "0.55"),
    ("shoulder", FLOAT, "0.26"),
    ("black_clip", FLOAT, "0.0"),
    ("white_clip", FLOAT, "0.04"),
    ("temp", FLOAT, "6500.0"),
    ("tint", FLOAT, "0.0"),
    ("chromatic_aberration_intensity", FLOAT, "0.0"),
    ("chromatic_aberration_offset", FLOAT, "0.0"),
    ("bloom_intensity", FLOAT, "0.675"),
    ("lens_flare_intensity", FLOAT, "0.1"),
)
_BEAMS = (
    ("channels", INT, "32"),
    ("range", FLOAT, "10.0"),
    ("points_per_second", INT, "56000"),
    ("rotation_frequency", FLOAT, "10.0"),
    ("upper_fov", FLOAT, "10.0"),
    ("lower_fov", FLOAT, "-30.0"),
    ("horizontal_fov", FLOAT, "360.0"),
    ("sensor_tick", FLOAT, "0.0"),
)
SENSORS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "sensor.camera.rgb": _CAMERA + _POST_PROCESS,
    "sensor.camera.depth": _CAMERA,
    "sensor.camera.semantic_segmentation": _CAMERA,
    "sensor.lidar.ray_cast": (
        *_BEAMS,
        ("atmosphere_attenuation_rate", FLOAT, "0.004"),
        ("dropoff_general_rate", FLOAT, "0.45"),
        ("dropoff_intensity_limit", FLOAT, "0.8"),
        ("dropoff_zero_intensity", FLOAT, "0.4"),
        ("noise_stddev", FLOAT, "0.0"),
        ("noise_seed", INT, "0"),
    ),
    "sensor.other.collision": (),
    "sensor.other.gnss": (
        ("noise_seed", INT, "0"),
        *((f"noise_{axis}_{kind}", FLOAT, "0.0") for axis in ("lat", "lon", "alt") for kind in ("bias", "stddev")),
        ("sensor_tick", FLOAT, "0.0"),
    ),
    "sensor.other.imu": (
        ("noise_seed", INT, "0"),
        *((f"noise_{kind}_{axis}", FLOAT, "0.0") for kind in ("accel_stddev", "gyro_stddev", "gyro_bias") for axis in "xyz"),
        ("sensor_tick", FLOAT, "0.0"),
    ),
    "sensor.other.lane_invasion": (),
    "sensor.other.radar": (
        ("horizontal_fov", FLOAT, "30.0"),
        ("vertical_fov", FLOAT, "30.0"),
        ("points_per_second", INT, "1500"),
        ("range", FLOAT, "100.0"),
        ("noise_seed", INT, "0"),
        ("sensor_tick", FLOAT, "0.0"),
    ),
}  # fmt: skip
NOT_SIMULATED = (
    "sensor.camera.dvs",
    "sensor.camera.instance_segmentation",
    "sensor.camera.normals",
    "sensor.camera.optical_flow",
    "sensor.lidar.ray_cast_semantic",
    "sensor.other.obstacle",
    "sensor.other.rss",
    "sensor.other.v2x",
    "sensor.other.v2x_custom",
)
"""Blueprints of CARLA that this server names in its refusal."""
