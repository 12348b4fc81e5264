"""What happens to a topology before it runs: captures checked, options overridden, outputs given a place."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from nodes.hosting.loader import load_driver
from nodes.options import InputFile, OutputFile
from orchestrator.drivers import Catalogue
from orchestrator.stress.shapes import is_shape, shape_topology
from orchestrator.topology import load_topology
from orchestrator.topology.fields import Marker, split_hint
from orchestrator.topology.model import NodeModel, Topology
from orchestrator.topology.problems import Problem, TopologyError

OUTPUT_BASE = Path("ndisim-out")


def read_topology(target: Path, catalogue: Catalogue) -> Topology:
    """Return the topology in a file, with its captures checked, or the one that a shape stands for.

    A file that exists comes first; raises TopologyError with all that is wrong.
    """
    if is_shape(target):
        return shape_topology(str(target), catalogue)
    topology = load_topology(target, catalogue)
    check_captures(topology, catalogue, str(target))
    return topology


def check_captures(topology: Topology, catalogue: Catalogue, source: str) -> None:
    """Read every capture that the topology names; raises TopologyError with all that cannot be replayed."""
    problems = []
    for node, option, file in _marked(topology, catalogue, InputFile):
        from orchestrator.captures import CaptureError, read_capture

        try:
            read_capture(Path(file))
        except CaptureError as error:
            problems.append(Problem(0, 0, f"nodes.{node}.{option}", str(error)))
    if problems:
        raise TopologyError(source, problems)


def override(topology: Topology, *, seed: int | None, packets: int | None) -> Topology:
    """Return the topology with what the command line says instead; None leaves a value as the file has it.

    `packets` goes to every source driver that has an option of that name; a usage error when none has.
    """
    changes: dict[str, Any] = {}
    if seed is not None:
        changes["seed"] = seed
    if packets is not None:
        changes["nodes"] = {name: _with_packets(node, packets) for name, node in topology.nodes.items()}
        if all(changes["nodes"][name] is node for name, node in topology.nodes.items()):
            raise click.UsageError("--packets: no source in this topology has an option `packets`")
    return topology.model_copy(update=changes)


def output_directory(topology: Topology, catalogue: Catalogue, wanted: Path | None) -> Path | None:
    """Return the directory for outputs, None where nothing is to be written.

    Without `wanted`, drivers that write files get ``ndisim-out/<name>-<time>`` in the current directory.
    """
    if wanted is None:
        if not _marked(topology, catalogue, OutputFile):
            return None
        wanted = OUTPUT_BASE / f"{topology.name}-{datetime.now():%Y%m%d-%H%M%S-%f}"
    return wanted.resolve()


def _with_packets(node: NodeModel, packets: int) -> NodeModel:
    is_source = getattr(load_driver(node.reference), "source", False)
    if not is_source or "packets" not in {field.name for field in dataclasses.fields(node.options)}:
        return node
    return node.model_copy(update={"options": dataclasses.replace(node.options, packets=packets)})


def _marked(
    topology: Topology, catalogue: Catalogue, kind: type[InputFile] | type[OutputFile]
) -> list[tuple[str, str, str]]:
    """Return node, option and value of every option in use that is marked as a file of this kind."""
    found = []
    for name, node in topology.nodes.items():
        for field in catalogue.find(node.driver).fields:
            marker: Marker | None = split_hint(field.hint)[1]
            value = getattr(node.options, field.name)
            if isinstance(marker, kind) and value:
                found.append((name, field.name, str(value)))
    return found
