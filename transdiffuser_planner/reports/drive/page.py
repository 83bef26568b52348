"""Writes the report of a recorded drive: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.messages.topic_map import TopicMap, preset_files
from transdiffuser_planner.params import RIGS, TOPICS
from transdiffuser_planner.reports.drive.drive_to_json import page_data
from transdiffuser_planner.reports.drive.log_to_drive import collect
from transdiffuser_planner.reports.single_file import fill_page, write_file

_HERE = Path(__file__).resolve().parent
PLAYBACK_SCRIPTS = tuple(
    _HERE / name for name in ("drive.js", "viewpoint.js", "bird_eye.js", "panels.js", "player.js", "ticks.js")
)
"""What every page that plays drives is made of."""
_SCRIPTS = (*PLAYBACK_SCRIPTS, *(_HERE / name for name in ("curves.js", "camera_plan.js", "main.js")))
STYLE = _HERE / "report.css"


def write_report(
    bag: Path, out: Path, title: str | None = None, *, topics: TopicMap | None = None, rig: Rig | None = None
) -> Path:
    """Make the page of one bag.

    Args:
        bag: rosbag2 folder, .mcap or .db3 file, with or without plans.
        out: The HTML file to write.
        title: Heading; the bag's name by default.
        topics: What the bag's topics mean; CARLA's by default.
        rig: Sensor poses; by default those of the preset whose topics are given, else clouds count as in base_link.

    Returns:
        The written file.

    Raises:
        RecordingError: The bag cannot be opened.
        EvaluationError: The bag is empty or has no odometry, or the page cannot be written.
    """
    bag = Path(bag)
    topics = TopicMap.load(preset_files("carla")[0]) if topics is None else topics
    drive = collect(bag, topics, preset_rig(topics) if rig is None else rig)
    return write_file(Path(out), render(page_data(drive, title or _heading(bag))))


def render(data: dict[str, object]) -> str:
    """The page with its data, styles and scripts inside."""
    return fill_page(_HERE / "template.html", data, [STYLE], _SCRIPTS)


def preset_rig(topics: TopicMap) -> Rig | None:
    """The rig that belongs to a preset's topic map, or None when the map is nobody's."""
    for path in sorted(TOPICS.glob("*.yaml")):
        rig = RIGS / path.name
        if rig.is_file() and TopicMap.load(path) == topics:
            return Rig.load(rig)
    return None


def _heading(bag: Path) -> str:
    path = bag.resolve()
    return path.parent.name if path.name == "bag" else path.stem
