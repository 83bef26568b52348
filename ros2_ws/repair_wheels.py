"""Makes the ROS wheels of a virtual environment usable for building interface packages.

Their CMake export files name include directories of the machine that built them; CMake refuses targets whose include
directories do not exist. This drops those entries, once. With a real ROS 2 underlay it is not needed.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROPERTY = re.compile(r'(INTERFACE_INCLUDE_DIRECTORIES ")([^"]*)(")')


def existing_only(match: re.Match[str]) -> str:
    """The property without absolute paths that do not exist."""
    kept = [item for item in match[2].split(";") if not item.startswith("/") or Path(item).is_dir()]
    return match[1] + ";".join(kept) + match[3]


def main() -> int:
    """Repair all CMake files below <prefix>/share."""
    changed = 0
    for path in Path(sys.prefix, "share").glob("*/cmake/*Export.cmake"):
        text = path.read_text(encoding="utf-8")
        repaired = PROPERTY.sub(existing_only, text)
        if repaired != text:
            path.write_text(repaired, encoding="utf-8")
            changed += 1
    print(f"{changed} CMake files of ROS wheels repaired")
    return 0


if __name__ == "__main__":
    sys.exit(main())
