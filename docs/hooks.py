"""Hooks of mkdocs: generated tables, pages from outside docs/, and links that work on the site as they do in the repository."""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]
import generate_reference  # noqa: E402

OUTSIDE = {
    "ARCHITECTURE.md": "explanation/architecture.md",
    "CHANGELOG.md": "reference/changelog.md",
    "CONTRIBUTING.md": "how-to/contributing.md",
    "models/tiny/README.md": "reference/model-tiny.md",
    "models/tiny_real/README.md": "reference/model-tiny-real.md",
}
"""File of the repository -> page of the site; the text exists once."""
_MARKER = re.compile(r"^<!-- generated: (.+?) -->$", re.MULTILINE)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_PICTURES = (".png", ".svg", ".jpg")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages and images that do not lie below docs/."""
    for source, page in OUTSIDE.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
        for is_image, _, link in _LINK.findall(text):
            path = (ROOT / source).parent / link
            inside = path.resolve().is_relative_to(ROOT / "docs")
            if is_image and path.is_file() and not inside:
                target = f"images/{path.name}"
                files.append(File.generated(config, target, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Fill in what is generated, then set links."""
    text = _MARKER.sub(lambda found: generate_reference.generate(found[1]), markdown)
    here = page.file.src_uri
    source = next((name for name, other in OUTSIDE.items() if other == here), f"docs/{here}")
    return _outside_code(text, lambda part: _LINK.sub(lambda found: _relinked(found, source, here), part))


def _outside_code(text: str, change: Any) -> str:
    """Apply a change to everything but fenced code."""
    parts = re.split(r"(^```.*?^```$)", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(part if part.startswith("```") else change(part) for part in parts)


def _relinked(found: re.Match[str], source: str, here: str) -> str:
    """One link of the repository as a link of the site; files that have no page keep their name only."""
    mark, label, link = found.groups()
    path, _, anchor = link.partition("#")
    if "://" in link or link.startswith("mailto:") or not path:
        return found[0]
    target = _normal(PurePosixPath(source).parent / path)
    if target in OUTSIDE:
        site = OUTSIDE[target]
    elif target.startswith("docs/"):
        site = target.removeprefix("docs/")
    elif mark and target.endswith(_PICTURES):
        site = f"images/{PurePosixPath(target).name}"
    else:
        return f"`{target}`" if label == target or not label else f"{label} (`{target}`)"
    up = "../" * (len(PurePosixPath(here).parts) - 1)
    return f"{mark}[{label}]({up}{site}{'#' + anchor if anchor else ''})"


def _normal(path: PurePosixPath) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
