from __future__ import annotations

import json
import re
from typing import Any

import pytest

from orchestrator.topology import topology_schema
from tests.orchestrator.topology.samples import GOOD_CATALOGUE


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(json.dumps(topology_schema(GOOD_CATALOGUE)))
    return found


def node(schema: dict[str, Any], driver: str) -> dict[str, Any]:
    """Return the schema of a node with this driver."""
    choices = schema["properties"]["nodes"]["additionalProperties"]["oneOf"]
    return next(choice for choice in choices if choice["properties"]["driver"]["const"] == driver)


def test_the_schema_knows_every_key_of_a_file_and_no_other(schema: dict[str, Any]) -> None:
    assert list(schema["properties"]) == [
        "name", "seed", "nodes", "bindings", "wires", "pass", "policy", "events", "faults", "verify",
        "notify", "delivery",
    ]  # fmt: skip
    assert (schema["required"], schema["additionalProperties"]) == (["name", "nodes"], False)


def test_the_schema_has_the_options_of_every_driver(schema: dict[str, Any]) -> None:
    assert [choice["title"] for choice in schema["properties"]["nodes"]["additionalProperties"]["oneOf"]] == [
        "filter", "mux", "nic", "receiver", "replay", "traffic",
    ]  # fmt: skip
    replay = node(schema, "replay")
    assert replay["required"] == ["driver", "file"]
    assert replay["properties"]["timing"] == {
        "default": "original",
        "enum": ["original", "fast"],
        "type": "string",
    }
    assert list(replay["properties"]) == ["driver", "pool", "file", "timing", "loop", "loss"]
    assert replay["additionalProperties"] is False


def test_defaults_and_bounds_are_shown_as_a_user_would_write_them(schema: dict[str, Any]) -> None:
    nic, traffic = node(schema, "nic")["properties"], node(schema, "traffic")["properties"]
    assert (nic["link"]["default"], nic["ring"]["default"], nic["delay"]["default"]) == ("1Gbps", 256, "1us")
    assert (traffic["senders"]["minimum"], traffic["senders"]["maximum"]) == (1, 4096)
    assert traffic["senders"]["description"] == "how many senders"
    assert traffic["size"]["type"] == ["string", "number"]


@pytest.mark.parametrize(
    ("driver", "option", "good", "bad"),
    [
        ("nic", "link", ["0", "10Gbps", "2.5 Gbps"], ["10", "10Gpbs", "-1Gbps"]),
        ("nic", "delay", ["0", "5us", "5µs"], ["5", "5 parsecs"]),
        ("replay", "loss", ["1%", "0.5"], ["half"]),
    ],
)
def test_the_patterns_of_units_tell_right_from_wrong(
    schema: dict[str, Any], driver: str, option: str, good: list[str], bad: list[str]
) -> None:
    pattern = node(schema, driver)["properties"][option]["anyOf"][1]["pattern"]
    assert all(re.search(pattern, text) for text in good)
    assert not any(re.search(pattern, text) for text in bad)
