"""The product reports to no one: what loads a model leaves no file in the home folder and opens no connection."""

import json
import os
import subprocess
import sys
from pathlib import Path

from transdiffuser_planner import NO_TELEMETRY

PROGRAM = """
import json, os, sys
import transdiffuser_planner
from transdiffuser_planner.runtime.inference.model_paths import model_folder
from transdiffuser_planner.runtime.inference.onnx_session import make_session

connections = []
sys.addaudithook(lambda event, details: connections.append(event) if event == "socket.connect" else None)
make_session(model_folder("tiny") / "condition.onnx", "cpu", 1)
files = (os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd"))
opened = [os.readlink(path) for path in files if os.path.islink(path)]
print(json.dumps({"connections": connections, "sockets": [name for name in opened if name.startswith("socket:")]}))
"""


def test_a_model_is_loaded_without_an_identifier_an_event_or_a_connection(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    asked_to_report = {"ORT_DISABLE_TELEMETRY": "0"}  # as an image or a shell may have it
    environment = {**os.environ, **asked_to_report, "HOME": str(home), "TMPDIR": str(home)}
    environment |= {
        "XDG_CACHE_HOME": "",
        "XDG_DATA_HOME": "",
        "XDG_CONFIG_HOME": "",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == {"connections": [], "sockets": []}
    assert not [path for path in home.rglob("*") if path.is_file()]


def test_child_processes_inherit_it() -> None:
    assert {name: os.environ.get(name) for name in NO_TELEMETRY} == NO_TELEMETRY
