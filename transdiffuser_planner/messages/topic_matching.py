"""Matches a bag's topics to inputs: by the fitting preset, by its variant with another role name, or by names and types alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path

from transdiffuser_planner.core.errors import InputError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.input_registry import BY_NAME, CAMERA, CAMERA_INFO, ODOMETRY, SINGLE_TYPES
from transdiffuser_planner.messages.topic_aliases import spelled_as_held
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.params import RIGS, TOPICS

_ROLE = re.compile(r"^/carla/([^/]+)/odometry$")
_ANY_ROLE = re.compile(r"^/carla/(ego_vehicle|hero)/")
_LIVE_ONLY = ("carla_development",)
"""Presets of live sources; another preset, by the aliases of its topics, reads their recordings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Topics and sensors of a bag.

    Attributes:
        name: Preset, with a role name that differs; "given" for the user's own files, "bag" for its own.
        topics, rig: The mapping and the sensors.
        topics_file, rig_file: Their files; topics_file is None for a derived map.
        why: Human-readable reason, one phrase.
        role: Role name of CARLA that replaces the preset's; empty where the preset's own names fit.
    """

    name: str
    topics: TopicMap
    rig: Rig
    topics_file: Path | None
    rig_file: Path
    why: str
    role: str = ""


def choose(
    held: Mapping[str, str],
    where: str,
    *,
    preset: str | None = None,
    topics_file: Path | None = None,
    rig_file: Path | None = None,
    own: tuple[Path, Path] | None = None,
) -> Choice:
    """Choose the mapping of a bag.

    Args:
        held: The bag's topics and types.
        where: Name of the bag in messages.
        preset: A known source; None: find the fitting one.
        topics_file: The user's own topic map instead of the preset's.
        rig_file: The user's own rig instead of the preset's.
        own: Topic map and rig in the folder of the bag, if any; they hold where no preset is given.

    Raises:
        ConfigError: A file or preset does not exist or is invalid.
        InputError: No preset fits, or several do; names the option that decides.
    """
    if preset is not None:
        topics, rig = preset_files(preset)
        return _given(held, preset, topics_file or topics, rig_file or rig, is_preset_map=topics_file is None)
    if own is not None and rig_file is None and topics_file is None:
        found = _given(held, None, *own, is_preset_map=False)
        return replace(found, name="bag", why="files in the folder of the bag")
    if own is not None:
        topics_file, rig_file = topics_file or own[0], rig_file or own[1]
    if rig_file is not None and topics_file is not None:
        return _given(held, None, topics_file, rig_file, is_preset_map=False)
    if rig_file is not None:
        return _for_rig(held, where, rig_file)
    choice = _best_preset(held, where)
    if topics_file is None:
        return choice
    return replace(choice, topics=TopicMap.load(topics_file), topics_file=topics_file, why="rig of the fitting preset")


def _given(
    held: Mapping[str, str], preset: str | None, topics_file: Path, rig_file: Path, *, is_preset_map: bool
) -> Choice:
    """Use the files that the options give; only a preset's map is adapted to the bag's aliases."""
    topics = TopicMap.load(topics_file)
    return Choice(
        name=preset or "given",
        topics=spelled_as_held(topics, held) if is_preset_map else topics,
        rig=Rig.load(rig_file),
        topics_file=topics_file,
        rig_file=rig_file,
        why="given by --preset" if preset else "given by --topics and --rig",
    )


def _for_rig(held: Mapping[str, str], where: str, rig_file: Path) -> Choice:
    """Use the topics of the only fitting preset with the rig's cameras, else names and types alone."""
    rig = Rig.load(rig_file)
    names = {camera.name for camera in rig.cameras}
    same = [choice for choice, _ in _fitting_presets(held) if set(choice.topics.images) == names]
    if len(_different(same, held)) == 1:
        why = f"topics of preset {same[0].name}, rig given by --rig"
        return replace(same[0], rig=rig, rig_file=rig_file, why=why)
    return Choice(
        name="given",
        topics=by_names_and_types(held, rig, where),
        rig=rig,
        topics_file=None,
        rig_file=rig_file,
        why="topics found by type and name",
    )


def _best_preset(held: Mapping[str, str], where: str) -> Choice:
    """Select the preset with the most topics in the bag.

    Raises:
        InputError: No preset fits, or several fit equally well.
    """
    found = _fitting_presets(held)
    if not found:
        raise InputError(_nothing_fits(held, where))
    best = max(score for _, score in found)
    top = _different([choice for choice, score in found if score == best], held)
    if len(top) > 1:
        listed = ", ".join(choice.name for choice in top)
        raise InputError(f"{where}: its topics fit {listed} equally well; choose with --preset or give --topics")
    return top[0]


def preset_names() -> list[str]:
    """Return the names of all presets that recordings are matched with, sorted."""
    names = [path.stem for path in TOPICS.glob("*.yaml") if path.stem not in _LIVE_ONLY]
    return sorted(name for name in names if (RIGS / f"{name}.yaml").is_file())


def _fitting_presets(held: Mapping[str, str]) -> list[tuple[Choice, int]]:
    """Find the presets whose odometry and at least one sensor the bag has, with the number of their topics in it.

    Variants with another role name come last.
    """
    found: list[tuple[Choice, int]] = []
    others: list[tuple[Choice, int]] = []
    for name in preset_names():
        files = preset_files(name)
        original, rig = TopicMap.load(files[0]), Rig.load(files[1])
        for role, named in _with_roles(original, held):
            topics = spelled_as_held(named, held)
            score = _score(topics, held)
            if score:
                spelled = "" if topics == named else ", some spelled otherwise"
                choice = Choice(
                    name=name if not role else f"{name} (role {role})",
                    topics=topics,
                    rig=rig,
                    topics_file=files[0] if topics == original else None,
                    rig_file=files[1],
                    why=f"{score} of the bag's topics are those of preset {name}{f', role {role}' if role else ''}{spelled}",
                    role=role,
                )
                (others if role else found).append((choice, score))
    return found + others


def _different(choices: list[Choice], held: Mapping[str, str]) -> list[Choice]:
    """Deduplicate choices: keep the first of those with the same topics and rig.

    Variants with another role name, which come last, also go where an earlier choice reads the same topics: CARLA's bridge
    and its own interface differ only in the usual role name, which decides between their rigs.
    """
    kept: dict[frozenset[str], list[Choice]] = {}
    for choice in choices:
        same = kept.setdefault(frozenset(choice.topics.all_topics() & set(held)), [])
        if not same or (not choice.role and all(choice.rig != other.rig for other in same)):
            same.append(choice)
    return [choice for same in kept.values() for choice in same]


def _with_roles(topics: TopicMap, held: Mapping[str, str]) -> Iterator[tuple[str, TopicMap]]:
    """Yield the unchanged map, and for CARLA's its variants with the role names of the bag."""
    yield "", topics
    own = _ANY_ROLE.match(topics.odometry)
    if own is None:
        return
    for topic in held:
        role = _ROLE.match(topic)
        if role and role[1] != own[1]:
            yield role[1], _renamed(topics, f"/carla/{own[1]}/", f"/carla/{role[1]}/")


def _renamed(topics: TopicMap, old: str, new: str) -> TopicMap:
    def name(topic: str) -> str:
        return new + topic.removeprefix(old) if topic.startswith(old) else topic

    single = {
        item.name: name(getattr(topics, item.name))
        for item in fields(TopicMap)
        if item.name not in ("images", "camera_infos")
    }
    images = {camera: name(topic) for camera, topic in topics.images.items()}
    infos = {camera: name(topic) for camera, topic in topics.camera_infos.items()}
    return TopicMap(images=images, camera_infos=infos, **single)


def _score(topics: TopicMap, held: Mapping[str, str]) -> int:
    """Count the map's topics that the bag has with the right type; 0 if they do not suffice for a plan."""

    def has(topic: str, kinds: tuple[str, ...]) -> bool:
        return bool(topic) and held.get(topic) in kinds

    cameras = sum(has(topic, CAMERA.message_types) for topic in topics.images.values())
    infos = sum(has(topic, CAMERA_INFO.message_types) for topic in topics.camera_infos.values())
    others = {name: has(str(getattr(topics, name)), kinds) for name, kinds in SINGLE_TYPES.items()}
    if not others["odometry"] or not (cameras or others["lidar"]):
        return 0
    return cameras + infos + sum(others.values())


def by_names_and_types(held: Mapping[str, str], rig: Rig, where: str) -> TopicMap:
    """Derive a map for a rig from the bag's types; the rig's camera names within topic names identify cameras.

    Args:
        held: The bag's topics and types.
        rig: The sensors.
        where: Name of the bag in messages.

    Raises:
        InputError: More than one topic could be the same input.
    """
    single = {
        name: _only(held, kinds, name, where, needed=name == "odometry")
        for name, kinds in SINGLE_TYPES.items()
        if name not in BY_NAME or BY_NAME[name].is_found_by_type
    }
    if rig.lidar is None:
        single["lidar"] = ""
    images, infos = {}, {}
    for camera in rig.cameras:
        parts = {topic: topic.split("/") for topic, kind in held.items() if kind in CAMERA.message_types}
        mine = sorted(topic for topic, words in parts.items() if camera.name in words)
        if not mine and len(rig.cameras) == 1 and len(parts) == 1:
            mine = list(parts)
        if len(mine) > 1:
            raise InputError(
                f"{where}: camera '{camera.name}' could be {' or '.join(mine)}; give --topics with images: "
                f"{{{camera.name}: TOPIC}}"
            )
        if mine:
            images[camera.name] = mine[0]
            info = mine[0].rsplit("/image", 1)[0] + "/camera_info"
            if held.get(info) in CAMERA_INFO.message_types:
                infos[camera.name] = info
    return TopicMap(images=images, camera_infos=infos, **single)


def _only(held: Mapping[str, str], kinds: tuple[str, ...], name: str, where: str, *, needed: bool) -> str:
    """Return the only topic of some types, or "" without one.

    Raises:
        InputError: Several topics have the type, or a needed one is missing.
    """
    found = sorted(topic for topic, kind in held.items() if kind in kinds and "transdiffuser_planner" not in topic)
    if len(found) > 1:
        raise InputError(f"{where}: {name} could be {' or '.join(found)}; give --topics with {name}: TOPIC")
    if needed and not found:
        raise InputError(f"{where}: holds no {name} ({kinds[0]}); nothing can be planned from it")
    return found[0] if found else ""


def _nothing_fits(held: Mapping[str, str], where: str) -> str:
    listed = ", ".join(sorted(held)) or "no topic at all"
    known = ", ".join(preset_names())
    roles = [topic for topic in held if _ROLE.match(topic)]
    if not any(kind in ODOMETRY.message_types for kind in held.values()):
        found = "no nav_msgs/Odometry, without which nothing can be planned"
    elif roles:
        found = f"odometry on {roles[0]} but no camera or LiDAR where CARLA's presets expect it"
    else:
        found = f"topics of no known source ({known})"
    return f"{where}: holds {found}; it has {listed}; choose --preset, or give --topics and --rig"
