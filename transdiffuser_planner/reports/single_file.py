"""Builds a self-contained HTML file from a template, data, styles and scripts."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from transdiffuser_planner.core.files import write_text


def fill_page(
    template: Path, data: Mapping[str, object], styles: Iterable[Path], scripts: Iterable[Path], **more: str
) -> str:
    """Fill the template.

    Args:
        template: HTML with a mark like %DATA% for each part.
        data: Data of the scripts, with the page's "title".
        styles: CSS files, in order.
        scripts: JavaScript files, in order; they share one scope.
        more: Further parts by their marks, inserted unchanged.

    Returns:
        Text of the page.
    """
    parts = {
        "TITLE": html.escape(str(data["title"])),
        "STYLE": "\n".join(path.read_text(encoding="utf-8") for path in styles),
        "SCRIPT": "\n".join(path.read_text(encoding="utf-8") for path in scripts),
        # A "<" within a string could end the script element early.
        "DATA": json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c"),
        **more,
    }
    # In one pass: inserted text may itself look like a mark.
    return re.sub(f"%({'|'.join(parts)})%", lambda mark: parts[mark[1]], template.read_text(encoding="utf-8"))


def write_file(out: Path, text: str) -> Path:
    """Write a page, and create its folder.

    Args:
        out: File to write.
        text: The page.

    Returns:
        The written file.

    Raises:
        OutputError: The file cannot be written.
    """
    write_text(out, text)
    return out
