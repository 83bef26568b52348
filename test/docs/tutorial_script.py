"""Turns a tutorial into the files and the shell script that a reader would make of it by copying box after box."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r'^```(?P<kind>\w+)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^```$', re.MULTILINE | re.DOTALL)
# Errors end the script with the line that failed; whatever was started in the background ends with it.
_HEAD = """\
set -Eeuo pipefail
trap 'echo "tutorial: failed in block $block, status $?: $BASH_COMMAND" >&2' ERR
trap 'kill $(jobs -p) 2> /dev/null || true' EXIT
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        kind: Language, "bash" for commands.
        title: File that the text is saved as; empty for others.
        text: The lines between the fences.
    """

    kind: str
    title: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(kind=item["kind"], title=item["title"] or "", text=item["text"]) for item in found]


def script(page: Path) -> str:
    """Files and commands of a page as one bash script, in the page's order."""
    lines = [_HEAD]
    for number, block in enumerate(blocks(page), start=1):
        if block.title:
            folder = shlex.quote(str(Path(block.title).parent))
            mark = "END_OF_FILE_OF_THE_TUTORIAL"
            lines.append(f"mkdir -p {folder}; cat > {shlex.quote(block.title)} <<'{mark}'\n{block.text}{mark}")
        elif block.kind == "bash":
            lines.append(f"block={number}\n{block.text}")
    return "\n".join(lines) + "\n"
