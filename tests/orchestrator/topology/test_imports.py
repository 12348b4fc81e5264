from __future__ import annotations

import subprocess
import sys

import pytest

import orchestrator.topology

LATE = ("pydantic", "ruamel", "nodes.stock")


@pytest.mark.parametrize(
    "statement",
    [
        "import orchestrator.topology",
        "from orchestrator.topology.units import parse_duration",
        "from orchestrator.drivers import Catalogue; Catalogue().names()",
        "from orchestrator.topology.threshold import parse_threshold",
    ],
)
def test_a_command_that_reads_no_topology_does_not_pay_for_it(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint([name for name in {LATE} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", orchestrator.topology.__all__)
def test_every_public_name_can_be_had(name: str) -> None:
    assert getattr(orchestrator.topology, name).__name__ == name


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = orchestrator.topology.nothing
