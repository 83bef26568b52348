"""Installation, machine, clock and model: faults are reported with a remedy, everything else as fine."""

import dataclasses
import itertools
import json
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from transdiffuser_planner.cli.main import main
from transdiffuser_planner.core.contract import TINY
from transdiffuser_planner.core.planner_config import PlannerConfig
from transdiffuser_planner.core.rig import Rig
from transdiffuser_planner.doctor import camera_coverage, clock, findings, machine, model, packages, ros_setup
from transdiffuser_planner.doctor.findings import Findings, Level
from transdiffuser_planner.params import RIGS
from transdiffuser_planner.runtime.inference.model_paths import model_folder

RIG = Rig.load(RIGS / "carla.yaml")
VERSIONS = {"numpy": "1.26.4", "scipy": "1.11", "pyyaml": "6.0", "pillow": "10.0", "onnxruntime": "1.19.2"}


def worst(found, subject):
    """The most severe finding about a subject; every fault has a remedy of one line."""
    found = list(found)
    assert all(bool(f.remedy) == (f.level > Level.OK) for f in found)
    assert not any("\n" in f.text + f.remedy for f in found)
    return max((f for f in found if f.subject == subject), key=lambda f: f.level)


def test_this_environment_has_what_the_planner_needs():
    assert max(f.level for f in packages.check()) == Level.OK
    assert worst(packages.check(), "python").text == ".".join(map(str, sys.version_info[:2]))


@pytest.mark.parametrize(
    ("change", "subject", "expected"),
    [
        ({"numpy": "1.21.5"}, "numpy", "1.21.5, required is 1.24 or newer"),
        ({"scipy": None}, "scipy", "not installed"),
        ({"onnxruntime": None}, "onnxruntime", "not installed"),
        ({"onnxruntime": "1.9.0"}, "onnxruntime", "1.9.0, required is 1.17"),
        ({"onnxruntime-gpu": "1.19.2"}, "onnxruntime", "overwrite each other"),
    ],
)
def test_a_package_that_is_missing_old_or_installed_twice_is_an_error(change, subject, expected):
    versions = {name: version for name, version in {**VERSIONS, **change}.items() if version}
    found = worst(packages.check(versions), subject)
    assert found.level == Level.ERROR and expected in found.text and "pip" in found.remedy


def test_a_python_that_is_too_old_or_too_new_is_an_error():
    for version in ((3, 8), (3, 14)):
        assert worst(packages.check(VERSIONS, version), "python").level == Level.ERROR


def test_without_a_compiler_interfaces_cannot_be_built(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "apt install g++" in worst(packages.check(VERSIONS), "C++ compiler").remedy


def test_ros_is_checked_in_a_fresh_interpreter():
    pytest.importorskip("rclpy", reason="ROS 2 is not installed")
    found = ros_setup.probe()
    assert found["rmw"] and "rclpy_error" not in found
    missing = ros_setup.probe({**os.environ, "RMW_IMPLEMENTATION": "rmw_unknown"})
    finding = worst(ros_setup.check(missing, {"RMW_IMPLEMENTATION": "rmw_unknown"}), "middleware")
    assert (
        finding.level == Level.ERROR and "rmw_unknown" in finding.text and "unset RMW_IMPLEMENTATION" in finding.remedy
    )


def test_without_ros_the_remedy_explains_how_to_install_it(tmp_path):
    (tmp_path / "rclpy.py").write_text("raise ImportError('no library librcl.so')\n")
    found = ros_setup.probe({**os.environ, "PYTHONPATH": str(tmp_path)})
    finding = worst(ros_setup.check(found, {}), "rclpy")
    assert finding.level == Level.ERROR and "no library librcl.so" in finding.text and "make build" in finding.remedy


RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
FAST = {"rclpy": "x", "rmw": "rmw_fastrtps_cpp", "messages": "y"}


@pytest.mark.parametrize(
    ("found", "environment", "subject", "level", "expected"),
    [
        (FAST, {}, "ROS_DOMAIN_ID", Level.OK, "domain 0"),
        (FAST, {"ROS_DOMAIN_ID": "300"}, "ROS_DOMAIN_ID", Level.ERROR, "not a domain"),
        (FAST, {"ROS_DOMAIN_ID": "150"}, "ROS_DOMAIN_ID", Level.WARN, "above 101"),
        (FAST, {RANGE: "LOCALHOST"}, "discovery", Level.OK, "this machine only"),
        (FAST, {RANGE: "OFF"}, RANGE, Level.ERROR, "no node finds another"),
        (FAST, {RANGE: "local"}, RANGE, Level.ERROR, "not known"),
        (FAST, {"ROS_LOCALHOST_ONLY": "1", RANGE: "SUBNET"}, "ROS_LOCALHOST_ONLY", Level.WARN, "overrides"),
        (FAST, {}, "transports", Level.WARN, "may lose fragments"),
        (FAST, {"FASTDDS_BUILTIN_TRANSPORTS": "LARGE_DATA"}, "transports", Level.OK, "LARGE_DATA"),
        ({**FAST, "rmw": "rmw_cyclonedds_cpp"}, {}, "transports", Level.OK, "of the middleware"),
        ({"rclpy": "x", "messages_error": "No module"}, {}, "transdiffuser_msgs", Level.ERROR, "not usable"),
        ({**FAST}, {"ROS_DISTRO": "jazzy"}, "rclpy", Level.OK, "underlay 'jazzy'"),
    ],
)
def test_ros_settings_are_checked(found, environment, subject, level, expected):
    finding = worst(ros_setup.check(found, environment), subject)
    assert finding.level == level and expected in finding.text


def machine_of(tmp_path, flags="fma avx2 avx512f avx512_vnni", free_kb=8_000_000, governor="performance", load=0.3):
    proc, cpu = tmp_path / "proc", tmp_path / "cpu"
    (cpu / "cpu0" / "cpufreq").mkdir(parents=True)
    proc.mkdir()
    (proc / "cpuinfo").write_text(f"processor : 0\nflags : {flags}\n")
    (proc / "meminfo").write_text(f"MemTotal: 9000000 kB\nMemAvailable: {free_kb} kB\n")
    (proc / "loadavg").write_text(f"{load} 0.20 0.10 1/200 4000\n")
    (cpu / "cpu0" / "cpufreq" / "scaling_governor").write_text(governor + "\n")
    return lambda threads=1: list(machine.check(threads, proc, cpu))


def test_a_fast_machine_is_fine_and_this_one_can_be_read(tmp_path):
    found = machine_of(tmp_path)()
    assert {f.level for f in found} == {Level.OK}
    assert worst(found, "instructions").text == "AVX2, AVX-512, VNNI"
    assert {f.subject for f in machine.check(1)} >= {"instructions", "cores", "governor"}


@pytest.mark.parametrize(
    ("options", "subject", "expected"),
    [
        ({"flags": "sse4_2"}, "instructions", "no AVX2"),
        ({"free_kb": 300_000}, "memory", "292 MB free"),
        ({"load": 900.5}, "load", "900.5 programs compete"),
        ({"governor": "powersave"}, "governor", "powersave"),
    ],
)
def test_a_slow_machine_is_reported(tmp_path, options, subject, expected):
    found = worst(machine_of(tmp_path, **options)(), subject)
    assert found.level == Level.WARN and expected in found.text


def test_gpus_and_their_driver_are_named(tmp_path):
    checks = machine_of(tmp_path)
    assert "no NVIDIA driver" in worst(checks(), "gpu").text
    card = tmp_path / "proc" / "driver" / "nvidia" / "gpus" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t NVIDIA RTX A2000\nIRQ:   120\n")
    version = (
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.95.05  Release Build\nGCC version:  gcc 13.3.0\n"
    )
    (card.parents[1] / "version").write_text(version)
    assert worst(checks(), "gpu").text == "NVIDIA RTX A2000; NVIDIA driver 580.95.05"


def test_more_threads_than_cores_are_reported(tmp_path):
    assert worst(machine_of(tmp_path)(1000), "cores").level == Level.WARN


def test_a_clock_that_jumps_is_an_error_and_this_one_does_not():
    looks = itertools.count()
    jumping = lambda: time.time() + (0.5 if next(looks) > 8 else 0.0)  # noqa: E731
    found = worst(clock.check(wall=jumping, watch_s=0.12), "system clock")
    assert found.level == Level.ERROR and "jumped by 500" in found.text
    assert worst(clock.check(watch_s=0.1), "system clock").level == Level.OK


@pytest.mark.parametrize("lost_before", [1, 2])
def test_a_core_lost_between_the_first_readings_is_no_clock_jump(lost_before):
    readings, lost_s = itertools.count(), [0.0]

    def steady():
        lost_s[0] += 0.05 if next(readings) == lost_before else 0.0
        return time.monotonic() + lost_s[0]

    found = worst(clock.check(wall=lambda: time.monotonic() + lost_s[0], steady=steady, watch_s=0.2), "system clock")
    assert found.level == Level.OK


def test_clock_synchronization_is_read_from_the_kernel():
    assert clock.is_synchronized() in (True, False, None)
    assert clock.synchronization(False).level == Level.WARN and clock.synchronization(True).level == Level.OK
    assert clock.synchronization(None).level == Level.OK


def test_the_shipped_model_is_complete_and_plans():
    found = list(model.check("tiny", RIG, PlannerConfig(num_candidates=4, num_denoise_steps=1, deadline_ms=1000.0)))
    assert [f.subject for f in found] == ["files", "vehicle", "provider", "graphs", "plan"]
    assert max(f.level for f in found[:4]) == Level.OK
    assert found[4].level < Level.ERROR  # under load, slow plans are a warning


def test_a_model_with_a_changed_byte_or_no_model_is_an_error(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_folder("tiny"), folder)
    data = bytearray((folder / "encoder.onnx").read_bytes())
    data[1000] ^= 1
    (folder / "encoder.onnx").write_bytes(data)
    found = worst(model.check(folder, RIG, PlannerConfig()), "files")
    assert found.level == Level.ERROR and "encoder.onnx differs from its SHA-256" in found.text
    assert "known are" in worst(model.check("nothing", RIG, PlannerConfig()), "files").text


def test_an_unavailable_provider_is_an_error_with_a_usable_one():
    found = worst(model.check("tiny", RIG, PlannerConfig(provider="tensorrt")), "provider")
    if found.level == Level.ERROR:
        assert "wanted tensorrt, usable cpu" in found.text and "set provider to cpu" in found.remedy


def test_a_deadline_that_this_machine_cannot_keep_is_an_error_unless_fewer_steps_may_be_made(monkeypatch):
    monkeypatch.setattr(model, "warm_plans_ms", lambda planner, rig: [38.0, 40.0, 45.0])
    strict = PlannerConfig(deadline_ms=5.0, fallback_margin_ms=1.0, anytime=False)
    found = worst(model.check("tiny", RIG, strict), "plan")
    assert found.level == Level.ERROR and "fewer num_candidates" in found.remedy
    found = worst(model.check("tiny", RIG, dataclasses.replace(strict, anytime=True)), "plan")
    assert found.level == Level.WARN and "fewer denoise steps" in found.text


@pytest.mark.parametrize(
    ("took_ms", "level"), [([40.0, 45.0], Level.OK), ([40.0, 95.0], Level.WARN), ([85.0, 90.0], Level.WARN)]
)
def test_plans_are_judged_by_their_reserve_before_the_deadline(monkeypatch, took_ms, level):
    monkeypatch.setattr(model, "warm_plans_ms", lambda planner, rig: took_ms)
    assert worst(model.check("tiny", RIG, PlannerConfig()), "plan").level == level


def changed_rig(tmp_path, old, new) -> Rig:
    path = tmp_path / "rig.yaml"
    path.write_text(Path(RIGS / "carla.yaml").read_text().replace(old, new))
    return Rig.load(path)


def test_the_rig_is_compared_with_the_models_view(tmp_path):
    assert {f.level for f in camera_coverage.check(RIG, TINY)} == {Level.OK}
    away = worst(camera_coverage.check(changed_rig(tmp_path, "yaw_rad: 0.87616", "yaw_rad: 2.5"), TINY), "view")
    assert away.level == Level.WARN and "rgb_left 0%" in away.text
    low = worst(camera_coverage.check(changed_rig(tmp_path, "z_m: 1.6", "z_m: 0.2"), TINY), "camera rgb_front")
    assert low.level == Level.WARN and "trained at 1.6 m" in low.text
    high = worst(camera_coverage.check(changed_rig(tmp_path, "z_m: 1.9", "z_m: 19"), TINY), "lidar")
    assert high.level == Level.ERROR and "above the ground" in high.remedy
    backwards = Rig.load(RIGS / "carla.yaml")
    turned = changed_rig(tmp_path, "yaw_rad: 0.0", "yaw_rad: 3.1")
    turned = Rig(cameras=tuple(c for c in turned.cameras if c.name == "rgb_front"), lidar=backwards.lidar)
    assert worst(camera_coverage.check(turned, TINY), "view").level == Level.ERROR


def test_exit_status_and_lines_follow_the_worst_finding():
    area = Findings("area")
    fine, odd, bad = area.ok("a", "x"), area.warn("b", "y", "do"), area.error("c", "z", "do this")
    assert findings.exit_status([fine], strict=True) == 0
    assert findings.exit_status([fine, odd], strict=False) == 0
    assert findings.exit_status([fine, odd], strict=True) == 1
    assert findings.exit_status([fine, odd, bad], strict=False) == 1
    assert list(findings.lines([fine, bad])) == ["area", "  ok     a: x", "  ERROR  c: z", "         -> do this"]
    assert findings.summary([fine, odd, bad]) == "1 ok, 1 warnings, 1 errors"


def test_the_command_prints_and_writes_its_findings(tmp_path, capsys):
    out = tmp_path / "findings.json"
    status = main(["doctor", "--json", str(out), "--model", "nothing"])
    text = capsys.readouterr().out
    assert status == 1 and "ERROR  files: model 'nothing'" in text and "-> copy the model folder again" in text
    rows = json.loads(out.read_text())["findings"]
    assert any(row["level"] == "ERROR" and row["subject"] == "files" for row in rows)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--seconds", "0"], "expected 0.5 .. 600"),
        (["--json", "/nowhere/at/all.json"], "its folder does not exist"),
        (["--rig", "/nowhere.yaml"], "cannot be read"),
        (["--provider", "abacus"], "must be one of cpu, cuda, tensorrt"),
        (["--threads", "0"], "must lie in 1"),
    ],
)
def test_bad_options_give_one_line_and_exit_status_2(words, expected, capsys):
    assert main(["doctor", *words]) == 2
    err = capsys.readouterr().err
    assert expected in err and len(err.strip().splitlines()) == 1
