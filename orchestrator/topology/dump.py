"""Write a topology back as YAML, for a run's output directory and for tools that make topologies."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML

from orchestrator.topology.faults import written_fault
from orchestrator.topology.fields import option_fields, written
from orchestrator.topology.model import BindingModel, EventModel, NodeModel, Topology, WireModel
from orchestrator.topology.units import format_duration, format_fraction, format_rate
from orchestrator.topology.verification import written_verify


def dump_topology(topology: Topology) -> str:
    """Return YAML text that reads back as the same topology, given the same catalogue; defaults are left out.

    Input files are written with their absolute paths.
    """
    content: dict[str, Any] = {"name": topology.name, "seed": topology.seed}
    content |= {"verify": written_verify(topology), "notify": topology.notify, "delivery": topology.delivery}
    content["nodes"] = {name: _node(node) for name, node in topology.nodes.items()}
    content["bindings"] = [_binding(binding) for binding in topology.bindings]
    content["wires"] = [_wire(wire) for wire in topology.wires]
    content["policy"] = topology.policy.pack()
    content["events"] = [_event(event) for event in topology.events]
    content["faults"] = [written_fault(fault) for fault in topology.faults]
    content["pass"] = [str(threshold) for threshold in topology.thresholds]
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    stream = io.StringIO()
    yaml.dump(content, stream)
    return stream.getvalue()


def _node(node: NodeModel) -> dict[str, Any]:
    content: dict[str, Any] = {"driver": node.driver}
    if node.pool is not None:
        content["pool"] = node.pool
    for field in option_fields(type(node.options)):
        value = getattr(node.options, field.name)
        if field.required or value != field.default:
            content[field.name] = written(field.hint, value)
    return content


def _binding(binding: BindingModel) -> str | dict[str, Any]:
    settings = binding.model_dump(exclude={"upper", "lower"}, exclude_defaults=True)
    if not settings:
        return f"{binding.upper} -> {binding.lower}"
    return {"upper": binding.upper, "lower": binding.lower, **settings}


def _event(event: EventModel) -> dict[str, Any]:
    target = f"{event.node} -> {event.lower}" if event.lower else event.node
    return {"at": format_duration(event.at), event.verb: target}


def _wire(wire: WireModel) -> dict[str, Any]:
    return {
        "between": [wire.a, wire.b],
        "latency": format_duration(wire.latency),
        "bandwidth": format_rate(wire.bandwidth),
        "loss": format_fraction(wire.loss),
    }
