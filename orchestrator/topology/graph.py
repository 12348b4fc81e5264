"""Draw a topology: layers from top to bottom, bindings as arrows, wires as dashed lines without direction."""

from __future__ import annotations

from orchestrator.topology.model import BindingModel, Topology, WireModel
from orchestrator.topology.units import format_duration, format_fraction, format_rate

_LAYERS = ("protocol", "filter", "intermediate", "miniport")


def to_mermaid(topology: Topology) -> str:
    """Return a Mermaid flowchart; a binding is labelled where it differs from the defaults.

    Nodes get ids of their own (``n0``, ``n1``, ...), since a node may be called ``end``, which Mermaid
    reserves.
    """
    ids = _ids(topology)
    lines = ["flowchart TB"]
    for kind, names in _by_layer(topology).items():
        lines.append(f'  subgraph {kind}_layer["{kind}"]')
        lines += [f'    {ids[name]}["{name}<br/>{topology.nodes[name].driver}"]' for name in names]
        lines.append("  end")
    for binding in topology.bindings:
        label = f'|"{_binding_label(binding)}"|' if _binding_label(binding) else ""
        lines.append(f"  {ids[binding.upper]} -->{label} {ids[binding.lower]}")
    for wire in topology.wires:
        label = f'|"{_wire_label(wire)}"|' if _wire_label(wire) else ""
        lines.append(f"  {ids[wire.a]} -.-{label} {ids[wire.b]}")
    return "\n".join(lines) + "\n"


def to_dot(topology: Topology) -> str:
    """Return a Graphviz digraph; protocols have the top rank, miniports the bottom one."""
    lines = [f'digraph "{topology.name}" {{', "  rankdir=TB;", "  node [shape=box];"]
    ranks = {"protocol": "min", "miniport": "max"}
    for kind, names in _by_layer(topology).items():
        boxes = [f'"{name}" [label="{name}\\n{topology.nodes[name].driver}"];' for name in names]
        if kind in ranks:
            lines += [f"  {{ rank={ranks[kind]};", *(f"    {box}" for box in boxes), "  }"]
        else:
            lines += [f"  {box}" for box in boxes]
    for binding in topology.bindings:
        label = _binding_label(binding)
        lines.append(f'  "{binding.upper}" -> "{binding.lower}"' + (f' [label="{label}"];' if label else ";"))
    for wire in topology.wires:
        label = _wire_label(wire)
        style = f'[dir=none, style=dashed, constraint=false, label="{label}"]'
        lines.append(f'  "{wire.a}" -> "{wire.b}" {style};')
    return "\n".join([*lines, "}"]) + "\n"


def _ids(topology: Topology) -> dict[str, str]:
    return {name: f"n{index}" for index, name in enumerate(topology.nodes)}


def _by_layer(topology: Topology) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {kind: [] for kind in _LAYERS}
    for name, node in topology.nodes.items():
        layers[node.kind].append(name)
    return {kind: names for kind, names in layers.items() if names}


def _binding_label(binding: BindingModel) -> str:
    settings = binding.model_dump(exclude={"upper", "lower"}, exclude_defaults=True)
    return ", ".join(name if value is True else f"{name} {value}" for name, value in settings.items())


def _wire_label(wire: WireModel) -> str:
    parts = [format_duration(wire.latency)] if wire.latency else []
    parts += [format_rate(wire.bandwidth)] if wire.bandwidth else []
    parts += [f"loss {format_fraction(wire.loss)}"] if wire.loss else []
    return ", ".join(parts)
