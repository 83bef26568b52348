"""Checks the machine: instruction sets, cores, load, memory, GPUs, frequency governor, priority."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from transdiffuser_planner.doctor.findings import Finding, Findings

_FINDINGS = Findings("machine")
_PROC, _CPU = Path("/proc"), Path("/sys/devices/system/cpu")
_PLANNER_MB = 350


def check(num_threads: int, proc: Path = _PROC, cpu: Path = _CPU) -> Iterator[Finding]:
    """Check the properties that determine the planner's speed.

    Args:
        num_threads: Number of threads of the model.
        proc: The folder /proc.
        cpu: The folder of the processors in /sys.

    Yields:
        Findings.
    """
    yield from _instructions(proc / "cpuinfo")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if cores < num_threads:
        remedy = f"set num_threads to {cores}, or give the process more cores"
        yield _FINDINGS.warn("cores", f"{cores} for {num_threads} threads of the model", remedy)
    else:
        yield _FINDINGS.ok("cores", f"{cores} for {num_threads} threads of the model")
    yield from _load(proc / "loadavg", cores)
    yield from _memory(proc / "meminfo")
    yield _gpus(proc / "driver" / "nvidia")
    yield from _governor(cpu)
    yield from _priority()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _instructions(path: Path) -> Iterator[Finding]:
    """Yield the finding about instruction sets that ONNX Runtime's kernels use."""
    rows = [line.partition(":")[2].split() for line in _text(path).splitlines() if line.startswith("flags")]
    if not rows:
        yield _FINDINGS.ok("instructions", f"{platform.machine()}; instruction sets unknown on this system")
        return
    flags = set(rows[0])
    vnni = next((name for name in ("avx512_vnni", "avx_vnni") if name in flags), "")
    has = [
        name
        for name, there in (("AVX2", "avx2" in flags), ("AVX-512", "avx512f" in flags), ("VNNI", bool(vnni)))
        if there
    ]
    if "avx2" not in flags:
        text = "no AVX2: the model runs several times slower than measured"
        yield _FINDINGS.warn("instructions", text, "use a processor with AVX2 (2013 or newer), or a GPU provider")
        return
    slow = "" if vnni else "; without VNNI an int8 encoder takes about two thirds of the time of fp32"
    yield _FINDINGS.ok("instructions", ", ".join(has) + slow)


def _load(path: Path, cores: int) -> Iterator[Finding]:
    """Yield the finding about the number of runnable programs over the last minute, including the doctor itself."""
    words = _text(path).split()
    if not words:
        return
    load = float(words[0])
    if load > cores + 1.0:
        text = f"{load:.1f} programs compete for {cores} cores: plans, and the times below, are slower than possible"
        yield _FINDINGS.warn("load", text, "end other programs, or give the planner cores of its own (taskset, chrt)")
    else:
        yield _FINDINGS.ok("load", f"{load:.1f}")


def _memory(path: Path) -> Iterator[Finding]:
    values = dict(line.split(":", 1) for line in _text(path).splitlines() if ":" in line)
    if "MemAvailable" not in values:
        return
    free_mb = int(values["MemAvailable"].split()[0]) // 1024
    if free_mb < 2 * _PLANNER_MB:
        text = f"{free_mb} MB free; the planner takes about {_PLANNER_MB}"
        yield _FINDINGS.warn("memory", text, "end other programs, or add memory: swapping misses deadlines")
    else:
        yield _FINDINGS.ok("memory", f"{free_mb} MB free")


def _gpus(driver: Path) -> Finding:
    """Return the finding about NVIDIA GPUs and the version of their driver, as its kernel module states them."""
    version = next((word for word in _text(driver / "version").split() if re.fullmatch(r"\d+\.\d[\d.]*", word)), "")
    if not version:
        return _FINDINGS.ok("gpu", "no NVIDIA driver: the providers cuda and tensorrt cannot be used")
    models = [
        line.partition(":")[2].strip()
        for path in sorted(driver.glob("gpus/*/information"))
        for line in _text(path).splitlines()
        if line.startswith("Model:")
    ]
    return _FINDINGS.ok("gpu", f"{', '.join(models) or 'none'}; NVIDIA driver {version}")


def _governor(cpu: Path) -> Iterator[Finding]:
    found = {_text(path).strip() for path in cpu.glob("cpu[0-9]*/cpufreq/scaling_governor")} - {""}
    if not found:
        yield _FINDINGS.ok("governor", "unknown on this system")
    elif found <= {"performance", "schedutil"}:
        yield _FINDINGS.ok("governor", ", ".join(sorted(found)))
    else:
        text = f"{', '.join(sorted(found))}: the first plans after a pause are slow"
        yield _FINDINGS.warn("governor", text, "sudo cpupower frequency-set -g performance")


def _priority() -> Iterator[Finding]:
    """Yield the finding whether the node may raise its priority; tried in a child process that ends at once."""
    program = "import os; os.setpriority(os.PRIO_PROCESS, 0, -10)"
    is_permitted = subprocess.run([sys.executable, "-S", "-c", program], capture_output=True).returncode == 0
    if is_permitted:
        yield _FINDINGS.ok("priority", "may be raised")
    else:
        remedy = "give it CAP_SYS_NICE or a limit for nice (docs/deadline.md), or set the parameter priority to normal"
        yield _FINDINGS.warn("priority", "may not be raised: under load plans may be late or have fewer steps", remedy)
