"""OpenDRIVE of a junction with three arms, written by hand: each position in it can be computed on paper.

Streets: 1 from the west, 2 to the east, 3 to the south, all from 10 m away from the origin, where their reference lines meet. Each
has a lane, a shoulder and a sidewalk per direction. The lights 901, 902, 903 are those of the streets 1, 2, 3.
"""

from __future__ import annotations

import math
from pathlib import Path

LANE_M, SHOULDER_M, SIDEWALK_M = 3.5, 0.5, 2.0
TURN_M = 10.0 * math.pi / 2.0


def geometry(s: float, x: float, y: float, heading: float, length: float, shape: str = "<line/>") -> str:
    return f'<geometry s="{s}" x="{x}" y="{y}" hdg="{heading}" length="{length}">{shape}</geometry>'


def lane(number: int, kind: str, width: float, link: str = "") -> str:
    return (
        f'<lane id="{number}" type="{kind}"><link>{link}</link>'
        f'<width sOffset="0" a="{width}" b="0" c="0" d="0"/></lane>'
    )


def both_sides(cars: dict[int, str]) -> str:
    outer = ((2, "shoulder", SHOULDER_M), (3, "sidewalk", SIDEWALK_M))
    sides = []
    for name, side in (("left", 1), ("right", -1)):
        lanes = [lane(side, "driving", LANE_M, cars.get(side, ""))]
        lanes += [lane(side * number, kind, width) for number, kind, width in outer]
        sides.append(f"<{name}>{''.join(lanes)}</{name}>")
    return "".join(sides)


def road(
    name: int,
    *,
    line: str,
    length: float,
    lanes: str,
    links: str = "",
    junction: int = -1,
    speed: str = "",
    extra: str = "",
) -> str:
    return (
        f'<road id="{name}" length="{length}" junction="{junction}"><link>{links}</link>{speed}'
        f"<planView>{line}</planView>{extra.partition('|')[0]}"
        f'<lanes><laneSection s="0">{lanes}</laneSection></lanes>{extra.partition("|")[2]}</road>'
    )


def speed(limit: float, unit: str) -> str:
    return f'<type s="0" type="town"><speed max="{limit}" unit="{unit}"/></type>'


def _way(name: int, start: float, x: float, curvature: float, ends: tuple[str, str], lights: dict[int, int]) -> str:
    """Road inside the junction: lane -1 along it, lane 1 against it."""
    length = TURN_M if curvature else 20.0
    shape = f'<arc curvature="{curvature}"/>' if curvature else "<line/>"
    (first, at_first, out_first), (last, at_last, out_last) = (end.split() for end in ends)
    links = (
        f'<predecessor elementType="road" elementId="{first}" contactPoint="{at_first}"/>'
        f'<successor elementType="road" elementId="{last}" contactPoint="{at_last}"/>'
    )
    cars = {
        number: f'<predecessor id="{number * int(out_first)}"/><successor id="{number * int(out_last)}"/>'
        for number in (-1, 1)
    }
    refs = "".join(
        f'<signalReference id="{light}" s="1" t="0"><validity fromLane="{number}" toLane="{number}"/></signalReference>'
        for number, light in lights.items()
    )
    own = "".join(
        f'<signal id="{light}" s="{s}" t="{t}" dynamic="yes" type="1000001"><validity fromLane="0" toLane="0"/></signal>'
        for light, s, t in ((901, 0.0, -8.0), (902, 20.0, 8.0), (903, 14.0, -20.0))
        if name == 101
    )
    walk = '<objects><object id="7" type="crosswalk" s="3" t="0" hdg="1.5707963" length="9" width="3"/></objects>'
    extra = f"|{walk if name == 101 else ''}<signals>{own}{refs}</signals>"
    line = geometry(0.0, x, 0.0, start, length, shape)
    return road(name, line=line, length=length, lanes=both_sides(cars), links=links, junction=10, extra=extra)


def three_arms() -> str:
    """Text of the file."""
    end = '<{} elementType="junction" elementId="10"/>'
    bend = geometry(0, 0, -10, -math.pi / 2, 40) + geometry(40, 0, -50, -math.pi / 2, 20, '<arc curvature="0.02"/>')
    to, away = end.format("successor"), end.format("predecessor")
    slow, city = speed(30, "mph"), speed(40, "km/h")
    roads = [
        road(1, line=geometry(0, -110, 0, 0, 100), length=100, lanes=both_sides({}), links=to, speed=slow),
        road(2, line=geometry(0, 10, 0, 0, 100), length=100, lanes=both_sides({}), links=away, speed=city),
        road(3, line=bend, length=60, lanes=both_sides({}), links=away),
        _way(101, 0.0, -10, 0.0, ("1 end 1", "2 start 1"), {-1: 901, 1: 902}),
        _way(102, 0.0, -10, -0.1, ("1 end 1", "3 start 1"), {-1: 901, 1: 903}),
        _way(103, math.pi, 10, 0.1, ("2 start -1", "3 start 1"), {-1: 902, 1: 903}),
    ]  # fmt: skip
    controls = "".join(
        f'<controller id="{100 + light}"><control signalId="{light}"/></controller>' for light in (901, 902, 903)
    )
    order = "".join(f'<controller id="{1000 + n}" sequence="{n}"/>' for n in (1, 2, 3))
    junction = f'<junction id="10">{order}</junction>'
    return f'<OpenDRIVE><header revMajor="1" revMinor="4"/>{"".join(roads)}{controls}{junction}</OpenDRIVE>'


def write_map(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def with_center_lanes(text: str) -> str:
    """The file with the lane 0 of every road, which CARLA's reader needs."""
    return text.replace("</left>", '</left><center><lane id="0" type="none"><link/></lane></center>')


def straight_road(length_m: float, reference: str = "") -> str:
    """One street along +x from the origin, a lane per direction, 50 km/h; its geographic reference as PROJ writes it."""
    line = geometry(0.0, 0.0, LANE_M / 2.0, 0.0, length_m)
    body = road(1, line=line, length=length_m, lanes=both_sides({}), speed=speed(50.0, "km/h"))
    place = f"<geoReference><![CDATA[{reference}]]></geoReference>" if reference else ""
    return with_center_lanes(f'<OpenDRIVE><header revMajor="1" revMinor="4">{place}</header>{body}</OpenDRIVE>')
