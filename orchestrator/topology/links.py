"""Read the entries of `bindings:` and `wires:` and check that together they make a stack that can run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any

from orchestrator.topology.document import Document
from orchestrator.topology.model import BindingModel, WireModel
from orchestrator.topology.problems import Path
from orchestrator.topology.quoting import did_you_mean, quoted
from orchestrator.topology.shape import WireEntry, read

_MAX_CYCLES = 10

PlacedBinding = tuple[Path, BindingModel]
Edges = tuple[str, str]
"""What a driver speaks at its upper and its lower edge."""


def read_bindings(
    document: Document, entries: list[Any], nodes: Mapping[str, str | None], edges: Mapping[str, Edges]
) -> list[BindingModel]:
    """Read ``a -> b -> c`` and ``{upper: a, lower: b}`` entries and check the stack that they make.

    `nodes` gives the kind of each node, None where its driver is not known, `edges` what those known speak. Names
    must exist, a pair may be bound once, nothing binds above a protocol or below a miniport, and the lower edge of
    one speaks as the upper edge of the other.
    """
    before = len(document.problems)
    placed: list[PlacedBinding] = []
    for index, entry in enumerate(entries):
        path: Path = ("bindings", index)
        if isinstance(entry, str):
            placed += [(path, pair) for pair in _read_chain(document, entry, path)]
        else:
            binding = read(document, BindingModel, entry, path)
            placed += [(path, binding)] if binding else []
    seen: dict[tuple[str, str], Path] = {}
    for path, binding in placed:
        for name in dict.fromkeys((binding.upper, binding.lower)):
            _check_known(document, path, name, nodes)
        if seen.setdefault((binding.upper, binding.lower), path) != path:
            document.add(path, f"{binding.upper} -> {binding.lower} is bound twice")
    if (
        len(document.problems) == before
    ):  # else a mistyped name would be reported once more as an unbound node
        _check_bound(document, placed, nodes)
    _check_ends(document, placed, nodes)
    _check_edges(document, placed, edges)
    _check_cycles(document, placed)
    return [binding for _, binding in placed]


def read_wires(document: Document, entries: list[Any], nodes: Mapping[str, str | None]) -> list[WireModel]:
    """Read ``{between: [a, b], ...}`` entries: two different miniports, and none with a second wire."""
    wires = []
    wired: dict[str, str] = {}
    for index, value in enumerate(entries):
        path: Path = ("wires", index)
        entry = read(document, WireEntry, value, path)
        if entry is None:
            continue
        a, b = entry.between
        if a == b:
            document.add((*path, "between"), f"the wire joins {a} to itself", "name two miniports")
            continue
        for end, (name, other) in enumerate(((a, b), (b, a))):
            _check_wire_end(document, (*path, "between", end), name, nodes)
            if name in wired:
                document.add((*path, "between", end), f"{name} has a wire already, to {wired[name]}")
            wired.setdefault(name, other)
        wires.append(WireModel(a=a, b=b, latency=entry.latency, bandwidth=entry.bandwidth, loss=entry.loss))
    return wires


def _check_bound(document: Document, bindings: list[PlacedBinding], nodes: Mapping[str, str | None]) -> None:
    """Require for each node what its kind needs above and below it; a filter has exactly one node below."""
    above = Counter(binding.lower for _, binding in bindings)
    below = Counter(binding.upper for _, binding in bindings)
    for name, kind in nodes.items():
        path = ("nodes", name)
        if kind in ("filter", "intermediate", "miniport") and not above[name]:
            hint = f"add e.g. 'some-protocol -> {name}' to bindings"
            document.add(path, f"the {kind} is unbound: nothing is bound above it", hint, at_key=True)
        if kind == "filter" and below[name] > 1:
            message = f"a filter has exactly one node below it, this one has {below[name]}"
            document.add(path, message, "use an intermediate driver such as mux", at_key=True)
        if kind in ("protocol", "filter", "intermediate") and not below[name]:
            hint = f"add e.g. '{name} -> some-miniport' to bindings"
            document.add(path, f"the {kind} is unbound: it is bound above nothing", hint, at_key=True)


def _check_cycles(document: Document, bindings: list[PlacedBinding]) -> None:
    """Name each cycle at the binding that closes it; at most ten of them in one reading."""
    edges = {(binding.upper, binding.lower): path for path, binding in bindings}
    order = {pair: index for index, pair in enumerate(edges)}
    for _ in range(_MAX_CYCLES):
        sorter: TopologicalSorter[str] = TopologicalSorter()
        for upper, lower in edges:
            sorter.add(lower, upper)
        try:
            sorter.prepare()
        except CycleError as error:
            cycle: list[str] = error.args[1]
            closing = max(pairwise(cycle), key=order.__getitem__)
            start = cycle.index(closing[1])
            names = [*cycle[start:-1], *cycle[:start], closing[1]]
            hint = "a packet would go round for ever; remove one of these bindings"
            document.add(edges.pop(closing), f"the bindings form a cycle: {_arrows(names)}", hint)
        else:
            return


def _arrows(names: list[str]) -> str:
    shown = names if len(names) <= 12 else [*names[:6], f"... {len(names) - 12} more ...", *names[-6:]]
    return " -> ".join(shown)


def _read_chain(document: Document, text: str, path: Path) -> list[BindingModel]:
    names = [name.strip() for name in text.split("->")]
    if len(names) < 2 or not all(names):
        document.add(path, f"{quoted(text)} is not a binding", "write upper -> lower, e.g. mux -> nic0")
        return []
    pairs = pairwise(names)
    found = [read(document, BindingModel, {"upper": upper, "lower": lower}, path) for upper, lower in pairs]
    return [binding for binding in found if binding]


def _check_known(document: Document, path: Path, name: str, nodes: Mapping[str, str | None]) -> bool:
    if name not in nodes:
        document.add(path, f"there is no node {quoted(name)}", did_you_mean(name, nodes))
    return name in nodes


def _check_ends(document: Document, placed: list[PlacedBinding], nodes: Mapping[str, str | None]) -> None:
    for path, binding in placed:
        if nodes.get(binding.lower) == "protocol":
            hint = (
                f"write {binding.lower} -> {binding.upper}" if nodes.get(binding.upper) != "protocol" else ""
            )
            document.add(path, f"{binding.lower} is a protocol, nothing is bound above it", hint)
        if nodes.get(binding.upper) == "miniport":
            hint = "join two miniports by a wire" if nodes.get(binding.lower) == "miniport" else ""
            document.add(path, f"{binding.upper} is a miniport, it is bound above nothing", hint)


def _check_edges(document: Document, placed: list[PlacedBinding], edges: Mapping[str, Edges]) -> None:
    """Require an NDISWAN, and one only, above each WAN miniport, and nothing but WAN miniports below an NDISWAN."""
    taken: dict[str, str] = {}
    for path, binding in placed:
        upper, lower = binding.upper, binding.lower
        if upper not in edges or lower not in edges:
            continue
        speaks, wanted = edges[upper][1], edges[lower][0]
        if wanted == "wan" != speaks:
            hint = "only an ndiswan is bound above a WAN miniport; put a filter above the ndiswan"
            document.add(path, f"{lower} is a WAN miniport, {upper} cannot be bound above it", hint)
        elif speaks == "wan" != wanted:
            hint = "bind wan-miniport nodes below it; put a filter above it"
            document.add(path, f"{upper} sends over WAN miniports only, {lower} is none", hint)
        elif wanted == "wan" and taken.setdefault(lower, upper) != upper:
            document.add(path, f"{lower} has one driver above it, and that is {taken[lower]}")


def _check_wire_end(document: Document, path: Path, name: str, nodes: Mapping[str, str | None]) -> None:
    if _check_known(document, path, name, nodes) and nodes[name] not in (None, "miniport"):
        document.add(
            path, f"{name} is of kind {nodes[name]}, a wire joins miniports", "use a binding instead"
        )
