from __future__ import annotations

from orchestrator.topology import to_dot, to_mermaid
from tests.orchestrator.topology.samples import parse

TEXT = """\
name: drawn
nodes:
  end: {driver: traffic}
  fil: {driver: filter}
  nic0: {driver: nic}
  nic1: {driver: nic}
  sink: {driver: receiver}
bindings:
  - end -> fil
  - {upper: fil, lower: nic0, coalesce: true, depth: 64}
  - sink -> nic1
wires: [{between: [nic0, nic1], latency: 5us, bandwidth: 1Gbps, loss: 1%}]
"""


def test_mermaid_draws_layers_bindings_and_wires() -> None:
    assert to_mermaid(parse(TEXT)) == (
        "flowchart TB\n"
        '  subgraph protocol_layer["protocol"]\n'
        '    n0["end<br/>traffic"]\n'
        '    n4["sink<br/>receiver"]\n'
        "  end\n"
        '  subgraph filter_layer["filter"]\n'
        '    n1["fil<br/>filter"]\n'
        "  end\n"
        '  subgraph miniport_layer["miniport"]\n'
        '    n2["nic0<br/>nic"]\n'
        '    n3["nic1<br/>nic"]\n'
        "  end\n"
        "  n0 --> n1\n"
        '  n1 -->|"coalesce, depth 64"| n2\n'
        "  n4 --> n3\n"
        '  n2 -.-|"5us, 1Gbps, loss 0.01"| n3\n'
    )


def test_dot_draws_layers_bindings_and_wires() -> None:
    assert to_dot(parse(TEXT)) == (
        'digraph "drawn" {\n'
        "  rankdir=TB;\n"
        "  node [shape=box];\n"
        "  { rank=min;\n"
        '    "end" [label="end\\ntraffic"];\n'
        '    "sink" [label="sink\\nreceiver"];\n'
        "  }\n"
        '  "fil" [label="fil\\nfilter"];\n'
        "  { rank=max;\n"
        '    "nic0" [label="nic0\\nnic"];\n'
        '    "nic1" [label="nic1\\nnic"];\n'
        "  }\n"
        '  "end" -> "fil";\n'
        '  "fil" -> "nic0" [label="coalesce, depth 64"];\n'
        '  "sink" -> "nic1";\n'
        '  "nic0" -> "nic1" [dir=none, style=dashed, constraint=false, label="5us, 1Gbps, loss 0.01"];\n'
        "}\n"
    )
