"""Writes the report of a recorded drive: one HTML file that needs nothing else."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

from transdiffuser_planner.core.errors import EvaluationError
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.evaluation.report.collect import collect
from transdiffuser_planner.evaluation.report.embed import page_data
from transdiffuser_planner.recording.topics import PARAMS, TopicMap, preset_files

_HERE = Path(__file__).resolve().parent
_SCRIPTS = ("drive.js", "viewpoint.js", "bird_eye.js", "curves.js", "camera_plan.js", "panels.js", "main.js")


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
    bag, out = Path(bag), Path(out)
    topics = TopicMap.load(preset_files("carla")[0]) if topics is None else topics
    drive = collect(bag, topics, preset_rig(topics) if rig is None else rig)
    text = render(page_data(drive, title or _heading(bag)))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EvaluationError(f"report {out}: cannot be written ({error.strerror}); give another --out") from None
    return out


def render(data: dict[str, object]) -> str:
    """The page with its data, styles and scripts inside."""
    # A "<" within a string could end the script element early, wherever it comes from.
    embedded = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    parts = {
        "TITLE": html.escape(str(data["title"])),
        "STYLE": (_HERE / "report.css").read_text(encoding="utf-8"),
        "SCRIPT": "\n".join((_HERE / name).read_text(encoding="utf-8") for name in _SCRIPTS),
        "DATA": embedded,
    }
    # In one pass: what is put in may itself look like a mark.
    template = (_HERE / "template.html").read_text(encoding="utf-8")
    return re.sub("%(TITLE|STYLE|SCRIPT|DATA)%", lambda mark: parts[mark[1]], template)


def preset_rig(topics: TopicMap) -> Rig | None:
    """The rig that belongs to a preset's topic map, or None when the map is nobody's."""
    for path in sorted(PARAMS.glob("topics_*.yaml")):
        rig = path.with_name(path.name.replace("topics_", "rig_"))
        if rig.is_file() and TopicMap.load(path) == topics:
            return Rig.load(rig)
    return None


def _heading(bag: Path) -> str:
    path = bag.resolve()
    return path.parent.name if path.name == "bag" else path.stem
