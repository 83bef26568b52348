"""The documentation site builds without warnings and without the network, and its generated parts are whole."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that CI has built by `make docs` just before, elsewhere built here in the same way."""
    if built := os.environ.get("TRANSDIFFUSER_SITE"):
        return Path(built)
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return folder


class _Resources(HTMLParser):
    """Collects what a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("script", "img", "iframe", "source"):
            self.found.append(values.get("src") or "")
        elif tag == "link" and values.get("rel") != "canonical":
            self.found.append(values.get("href") or "")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        parser = _Resources()
        parser.feed(page.read_text(encoding="utf-8"))
        assert not [item for item in parser.found if re.match(r"(https?:)?//", item)], page


def test_no_marker_is_left_unfilled(site: Path) -> None:
    assert not [page for page in site.rglob("*.html") if "generated:" in page.read_text(encoding="utf-8")]


def test_reference_pages_hold_commands_messages_findings_and_outside_pages(site: Path) -> None:
    pages = {
        "reference/commands.html": "transdiffuser evaluate scenes-from-bag",
        "reference/messages.html": "CandidateTrajectory",
        "reference/file-formats.html": "base_from_odometry_child_x_m",
        "reference/api.html": "PlannerConfig",
        "how-to/troubleshooting.html": "use_sim_time",
        "explanation/architecture.html": "Decisions, with their price",
        "reference/model-tiny.html": "tiny",
    }
    for name, words in pages.items():
        assert words in (site / name).read_text(encoding="utf-8"), name
