"""Publish the JSON schema of topology files, for editors and other tools."""

from __future__ import annotations

from typing import Any

from orchestrator.drivers import Catalogue
from orchestrator.topology.faults import FaultEntry
from orchestrator.topology.model import MAX_NODES, NAME_PATTERN, BindingModel
from orchestrator.topology.options import node_model
from orchestrator.topology.shape import Header, WireEntry
from orchestrator.topology.timeline import EventEntry, PolicyEntry
from orchestrator.topology.verification import ForceEntry, LevelEntry, VerifyEntry

_CHAIN = {
    "type": "string",
    "pattern": r"^\s*[a-z0-9_-]+(\s*->\s*[a-z0-9_-]+)+\s*$",
    "description": "upper -> lower, as many steps as wanted",
    "examples": ["mux -> nic0"],
}


def topology_schema(catalogue: Catalogue) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) with the options of every driver of the catalogue.

    It imports all drivers; `DriverLoadError` if one cannot be used. What needs more than one place of the
    file at once (names, cycles, unbound nodes) is beyond a schema and left to `parse_topology`.
    """
    schema = Header.model_json_schema()
    keys = schema["properties"]
    keys["nodes"] |= {
        "propertyNames": {"pattern": NAME_PATTERN},
        "maxProperties": MAX_NODES,
        "additionalProperties": {"oneOf": [_node_schema(node_model(driver)) for driver in catalogue]},
    }
    keys["bindings"]["items"] = {"anyOf": [_CHAIN, _plain(BindingModel.model_json_schema())]}
    keys["wires"]["items"] = _plain(WireEntry.model_json_schema())
    keys["policy"] |= _plain(PolicyEntry.model_json_schema())
    keys["events"]["items"] = _plain(EventEntry.model_json_schema())
    keys["faults"]["items"] = _plain(FaultEntry.model_json_schema())
    keys["verify"] |= {"anyOf": _verify_schemas()}
    keys["pass"]["items"] = {"type": "string", "examples": ["lost == 0", "latency.p99 < 50ms"]}
    schema |= {
        "title": "ndisim topology",
        "description": "Nodes, how they are bound and wired, when a run passes.",
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _verify_schemas() -> list[dict[str, Any]]:
    level = LevelEntry.model_json_schema()["properties"]["verify"]
    mapping = _plain(VerifyEntry.model_json_schema())
    mapping["properties"]["force"] |= _plain(ForceEntry.model_json_schema())
    return [{key: level[key] for key in ("type", "minimum", "maximum")}, mapping]


def _node_schema(model: type[Any]) -> dict[str, Any]:
    schema: dict[str, Any] = model.model_json_schema()
    for key in schema["properties"].values():
        key.pop("title", None)
    return _plain(schema) | {"title": str(model.model_fields["key_driver"].annotation.__args__[0])}


def _plain(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "description"}
