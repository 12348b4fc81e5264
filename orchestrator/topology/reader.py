"""Read a topology file: every problem at once, or a `Topology` that can be run as it is."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any, TypeVar

from nodes.hosting.loader import DriverLoadError
from orchestrator.drivers import Catalogue, DriverInfo, UnknownDriver
from orchestrator.topology.document import Document, read_document
from orchestrator.topology.faults import read_faults
from orchestrator.topology.links import read_bindings, read_wires
from orchestrator.topology.model import MAX_NODES, NAME_PATTERN, NodeModel, Topology
from orchestrator.topology.net_buffers import CURE, one_frame_layers
from orchestrator.topology.options import make_options, node_model
from orchestrator.topology.phases import NoSuchPhase, Plans, plans_of, sources_in
from orchestrator.topology.problems import Problem, TopologyError
from orchestrator.topology.quoting import quoted
from orchestrator.topology.shape import Header, read
from orchestrator.topology.threshold import Threshold, parse_threshold
from orchestrator.topology.timeline import read_events, read_policy
from orchestrator.topology.units import UnitError
from orchestrator.topology.verification import read_verify

MAX_BYTES = 1 << 20

Shape = TypeVar("Shape", dict[str, Any], list[Any])


def load_topology(path: Path, catalogue: Catalogue) -> Topology:
    """Read and validate the topology file at `path`; input files in it are relative to its directory.

    `TopologyError` with every problem: also when the file is missing, no regular file, unreadable, over 1
    MiB or not UTF-8.
    """
    return parse_topology(_read_text(path), str(path), catalogue, path.absolute().parent)


def parse_topology(text: str, source_name: str, catalogue: Catalogue, base_dir: Path) -> Topology:
    """Validate the text of a topology; `source_name` is shown in problems, input files are below `base_dir`.

    `TopologyError` with every problem, in the order of the text.
    """
    document = read_document(text, source_name)
    header = read(document, Header, document.data, ())
    nodes = _read_nodes(document, _section(document, "nodes", dict), catalogue, base_dir)
    kinds = {name: node.kind if node else None for name, node in nodes.items()}
    known = {name: catalogue.find(node.driver) for name, node in nodes.items() if node}
    edges = {name: (driver.upper_edge, driver.lower_edge) for name, driver in known.items()}
    bindings = read_bindings(document, _section(document, "bindings", list), kinds, edges)
    for name, message in one_frame_layers(nodes, bindings):
        document.add(("nodes", name, "buffers"), message, CURE)
    wires = read_wires(document, _section(document, "wires", list), kinds)
    plans = plans_of(nodes)
    thresholds = _read_thresholds(document, _section(document, "pass", list), plans)
    policy = read_policy(document)
    verification = read_verify(document, nodes)
    events = read_events(document, _section(document, "events", list), kinds, bindings)
    faults = read_faults(
        document,
        _section(document, "faults", list),
        kinds,
        [(binding.upper, binding.lower) for binding in bindings],
        [(wire.a, wire.b) for wire in wires],
        plans,
    )
    if document.problems or header is None:
        raise TopologyError(source_name, document.problems)
    return Topology(
        name=header.name,
        seed=header.seed,
        nodes={name: node for name, node in nodes.items() if node},
        bindings=tuple(bindings),
        wires=tuple(wires),
        thresholds=tuple(thresholds),
        level=verification.level,
        levels=verification.levels,
        on_violation=verification.on_violation,
        force=verification.force,
        notify=header.notify,
        delivery=header.delivery,
        policy=policy,
        events=tuple(events),
        faults=tuple(faults),
    )


def _section(document: Document, key: str, shape: type[Shape]) -> Shape:
    """Return a section to go on with; an empty one if it is of the wrong shape, which the header tells."""
    section = document.data.get(key)
    return section if isinstance(section, shape) else shape()


def _read_nodes(
    document: Document, section: dict[str, Any], catalogue: Catalogue, base: Path
) -> dict[str, NodeModel | None]:
    """Read each node; None stands for one that has problems, so that its name is still known."""
    if len(section) > MAX_NODES:
        document.add(("nodes",), f"{len(section)} nodes are too many", f"at most {MAX_NODES}")
        raise TopologyError(document.source, document.problems)
    nodes = {}
    for name, value in section.items():
        if not re.match(NAME_PATTERN, name):
            hint = "lower case letters, digits, '-' and '_', at most 32, no '-' or '_' first"
            document.add(("nodes", name), f"{quoted(name)} is not a name", hint, at_key=True)
        nodes[name] = _read_node(document, name, value, catalogue, base)
    return nodes


def _read_node(
    document: Document, name: str, value: Any, catalogue: Catalogue, base: Path
) -> NodeModel | None:
    path = ("nodes", name)
    driver = _find_driver(document, path, value, catalogue)
    if driver is None:
        return None
    node = read(document, node_model(driver), value, path, {"base": base})
    if node is None:
        return None
    try:
        options = make_options(driver, node)
        problems = options.problems() if hasattr(options, "problems") else []
    except ValueError as error:
        document.add(path, f"the driver refuses its options: {error}")
        return None
    for field, message in problems:
        document.add((*path, field), message)
    pool = getattr(node, "key_pool", None)
    return NodeModel(
        driver=driver.name, reference=driver.reference, kind=driver.kind, options=options, pool=pool
    )


def _find_driver(
    document: Document, path: tuple[str, str], value: Any, catalogue: Catalogue
) -> DriverInfo | None:
    if not isinstance(value, dict):
        document.add(path, "a mapping is wanted here", "write e.g. {driver: mux}")
        return None
    name = value.get("driver")
    if not isinstance(name, str):
        document.add((*path, "driver"), "the driver of the node is missing", "write e.g. driver: mux")
        return None
    try:
        driver = catalogue.find(name)
        node_model(driver)
    except UnknownDriver as error:
        document.add((*path, "driver"), f"there is no driver {quoted(name)}", error.hint)
        return None
    except DriverLoadError as error:
        document.add((*path, "driver"), f"the driver {quoted(name)} cannot be used: {error}")
        return None
    return driver


def _read_thresholds(document: Document, section: list[Any], plans: Plans) -> list[Threshold]:
    thresholds = []
    for index, text in enumerate(section):
        path = ("pass", index)
        if not isinstance(text, str):
            document.add(path, "a condition is wanted here", "write e.g. lost == 0")
            continue
        try:
            thresholds.append(parse_threshold(text))
            if thresholds[-1].phase:
                sources_in(plans, thresholds[-1].phase)
        except (UnitError, NoSuchPhase) as error:
            document.add(path, error.message, error.hint)
    return thresholds


def _read_text(path: Path) -> str:
    source = str(path)
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise _unreadable(source, "is not a regular file")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise _unreadable(source, "does not exist") from None
    except IsADirectoryError:
        raise _unreadable(source, "is a directory") from None
    except (OSError, ValueError) as error:
        raise _unreadable(source, f"cannot be read: {error}") from None
    if len(data) > MAX_BYTES:
        raise _unreadable(
            source, "is larger than 1 MiB", "a topology is a description; keep data in files beside it"
        )
    return _decode(source, data)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to does not block, so it can be refused."""
    return os.open(path, flags | os.O_NONBLOCK)


def _decode(source: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line, column = before.count(b"\n") + 1, error.start - (before.rfind(b"\n") + 1) + 1
        message = f"the byte 0x{data[error.start]:02x} is not UTF-8"
        raise TopologyError(source, [Problem(line, column, "", message, "save the file as UTF-8")]) from None


def _unreadable(source: str, what: str, hint: str = "") -> TopologyError:
    return TopologyError(source, [Problem(0, 0, "", f"the topology file {what}", hint)])
