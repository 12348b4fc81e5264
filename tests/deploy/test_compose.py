"""The compose file is valid and asks for what a run needs, and for no more."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

DEPLOY = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    """Return the service as docker-compose understands it."""
    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed (Debian package docker-compose)")
    command = ["docker-compose", "-f", str(DEPLOY / "compose.yaml"), "config"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    services: dict[str, dict[str, Any]] = YAML(typ="safe").load(done.stdout)["services"]
    assert list(services) == ["quickstart"]
    return services["quickstart"]


def test_memory_processors_and_processes_are_limited(service: dict[str, Any]) -> None:
    assert {"mem_limit", "cpus", "pids_limit", "shm_size"} <= service.keys()


def test_the_container_has_no_privilege_and_no_network(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["network_mode"] == "none"
    assert "privileged" not in service


def test_the_report_goes_to_the_volume(service: dict[str, Any]) -> None:
    command = service["command"]
    assert command[command.index("--out") + 1] == "/out"
    [volume] = service["volumes"]
    assert str(volume).startswith("report:/out") or volume["target"] == "/out"


def test_it_builds_from_our_containerfile(service: dict[str, Any]) -> None:
    build = service["build"]
    assert (Path(build["context"]) / build["dockerfile"]).resolve() == DEPLOY / "Containerfile"
