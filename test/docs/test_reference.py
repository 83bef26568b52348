"""Generated references: every command, message, parameter and finding is in them."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import generate_reference
import yaml

import transdiffuser_planner
from transdiffuser_planner.cli.main import COMMANDS, main
from transdiffuser_planner.core.planner_config import NodeConfig, PlannerConfig
from transdiffuser_planner.doctor import machine, packages, ros_setup

ROOT = Path(__file__).resolve().parents[2]
COMPATIBILITY = (ROOT / "docs" / "compatibility.md").read_text(encoding="utf-8")


def test_every_command_has_its_help_in_the_reference() -> None:
    text = generate_reference.commands()
    assert all(f"### transdiffuser {name}\n" in text for name in COMMANDS)
    assert "#### transdiffuser evaluate suite" in text and "--plan-every" in text


def test_every_parameter_is_in_the_table() -> None:
    table = generate_reference.generate("parameters")
    assert all(f"`{item.name}`" in table for item in (*fields(NodeConfig), *fields(PlannerConfig)))


def test_the_compatibility_page_lists_the_current_definition_of_every_message() -> None:
    rows = re.findall(r"^\| (\w+) \| ([\d.]+) \| `([0-9a-f]{12})` \| (.+) \|$", COMPATIBILITY, re.MULTILINE)
    latest = {name: digest for name, _, digest, _ in rows}
    version = transdiffuser_planner.__version__
    wanted = {path.stem: generate_reference.message_hash(path) for path in generate_reference.MESSAGES.glob("*.msg")}
    lines = [
        f"| {name} | {version} | `{digest}` | WHAT CHANGED |"
        for name, digest in wanted.items()
        if latest.get(name) != digest
    ]
    assert not lines, "add below the message's last line in docs/compatibility.md:\n" + "\n".join(lines)
    assert set(latest) == set(wanted), "docs/compatibility.md lists a message that there is not"


def test_a_hash_of_a_message_changes_with_its_fields_and_not_with_its_comments() -> None:
    normalized = generate_reference.normalized
    assert normalized("# text\nuint8 A = 1\n\nfloat32  x # [m]\n") == normalized("uint8 A=1\nfloat32 x")
    assert normalized("float32 x") != normalized("float64 x")


def test_every_field_of_a_message_has_its_meaning_in_the_reference() -> None:
    text = generate_reference.messages()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert len(rows) > 60
    assert all(line.split("|")[3].strip() for line in rows)


def test_findings_that_the_doctor_gives_are_on_the_troubleshooting_page() -> None:
    given = [
        *packages.check({}, python=(3, 8)),
        *ros_setup.check({"rclpy_error": "not there"}, {"ROS_DOMAIN_ID": "x", "ROS_AUTOMATIC_DISCOVERY_RANGE": "OFF"}),
        *machine.check(2),
    ]
    faulty = [finding for finding in given if finding.remedy]
    assert len(faulty) > 6
    remedies = [row[4] for row in generate_reference.all_findings()]
    patterns = [re.compile("(.+|)".join(map(re.escape, re.split(r"<\w+>|…", text)))) for text in remedies]
    for finding in faulty:
        assert any(pattern.fullmatch(finding.remedy) for pattern in patterns), finding


def test_every_call_that_makes_a_warning_or_an_error_is_found() -> None:
    count = 0
    for path in (ROOT / "transdiffuser_planner").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        count += (
            len(re.findall(r"\b(?:_FINDINGS|findings)\.(?:warn|error|fault)\(", text)) if "Findings(" in text else 0
        )
    assert count > 60
    assert len(generate_reference.all_findings()) >= count - 5  # a few calls give the same line


def test_all_places_that_state_the_version_agree(capsys) -> None:
    version = transdiffuser_planner.__version__
    assert f'version = "{version}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"] == version
    try:
        main(["--version"])
    except SystemExit as end:
        assert end.code == 0
    assert capsys.readouterr().out == f"transdiffuser {version}\n"


def test_an_installation_without_its_checkout_knows_its_version(tmp_path: Path) -> None:
    (tmp_path / "transdiffuser_planner").mkdir()
    source = ROOT / "transdiffuser_planner" / "__init__.py"
    (tmp_path / "transdiffuser_planner" / "__init__.py").write_text(
        source.read_text(encoding="utf-8"), encoding="utf-8"
    )
    info = tmp_path / "transdiffuser_planner-7.8.9.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: transdiffuser_planner\nVersion: 7.8.9\n", encoding="utf-8"
    )
    code = "import transdiffuser_planner as package; print(package.__version__)"
    environment = {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, cwd=tmp_path, timeout=300
    )
    assert run.stdout == "7.8.9\n", run.stderr


def test_the_workflow_runs_what_ci_runs_and_ci_builds_the_site() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    steps = [step.get("run") for step in workflow["jobs"]["test"]["steps"]]
    assert ".ci/run" in steps
    commands = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert commands.index("make docs") < commands.index('TRANSDIFFUSER_SITE="$PWD/build/site" exec make test')
