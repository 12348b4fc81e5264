"""Read YAML text into plain dicts, lists and strings, and remember the line and column of each part.

Scalars stay text: what ``10Gbps`` or ``07`` means depends on the key, so the key's own reader decides.
Limits are checked while events stream in, before anything is built from them: nesting, number of values,
expansion by aliases.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.reader import ReaderError

from orchestrator.topology.problems import Path, Problem, TopologyError, path_text
from orchestrator.topology.quoting import quoted

MAX_DEPTH = 16
MAX_VALUES = 100_000
MAX_ALIASES = 64
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})

Place = tuple[int, int]


@dataclass
class _Part:
    """Hold one value of the file with its place.

    `size` counts the values in it and `height` its levels, both with aliases expanded; `key` is the key of a
    mapping whose value has not come yet.
    """

    value: Any
    place: Place
    anchor: str | None = None
    size: int = 1
    height: int = 0
    items: list[_Part] = field(default_factory=list)
    entries: dict[str, tuple[Place, _Part]] = field(default_factory=dict)
    key: _Part | None = None


@dataclass
class Document:
    """Give the plain data of a topology file, and collect problems by the place they are at."""

    source: str
    data: dict[str, Any]
    root: _Part
    problems: list[Problem] = field(default_factory=list)

    def add(self, path: Path, message: str, hint: str = "", *, at_key: bool = False) -> None:
        """Record a problem at the deepest part of `path` that the file has; at the key itself if `at_key`."""
        line, column = self._place(path, at_key)
        self.problems.append(Problem(line, column, path_text(path), message.partition("\n")[0], hint))

    def _place(self, path: Path, at_key: bool) -> Place:
        part, place = self.root, self.root.place
        for step in path:
            if isinstance(step, int) and step < len(part.items):
                part = part.items[step]
                place = part.place
            elif isinstance(step, str) and step in part.entries:
                key_place, part = part.entries[step]
                # An empty value has no place of its own: the parser marks where the next token begins.
                place = key_place if at_key or part.value is None else part.place
            else:
                break
        return place


def read_document(text: str, source: str) -> Document:
    """Parse one YAML mapping; `TopologyError` names what is no YAML, repeated keys and exceeded limits.

    Explicit tags, merge keys and a second document are refused: a topology is data of one shape.
    """
    builder = _Builder(source)
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            builder.take(event)
    except YAMLError as error:
        _fail_syntax(builder, error, text)
    except (ValueError, ArithmeticError, LookupError, AttributeError, TypeError, AssertionError) as error:
        # The parser's own failures on damaged text, e.g. an escape beyond the last code point.
        builder.fail(builder.last, f"the YAML cannot be read: {quoted(error)}")
    return builder.finish()


class _Builder:
    """Turn the stream of parser events into parts, one event at a time, without recursion."""

    def __init__(self, source: str) -> None:
        self.last: Place = (1, 1)
        self._source = source
        self._root: _Part | None = None
        self._stack: list[_Part] = []
        self._anchors: dict[str, _Part | None] = {}
        self._aliases = 0
        self._documents = 0
        self._values = 0
        self._problems: list[Problem] = []

    def take(self, event: Event) -> None:
        """Add one event; `TopologyError` at once where a limit would be exceeded by going on."""
        self.last = (event.start_mark.line + 1, event.start_mark.column + 1)
        if isinstance(event, DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self.fail(self.last, "a second document begins here", "one file holds one topology")
        elif isinstance(event, ScalarEvent):
            plain_null = event.implicit[0] and event.value in _NULLS
            self._put(self._part(event, None if plain_null else event.value))
        elif isinstance(event, MappingStartEvent | SequenceStartEvent):
            self._open(self._part(event, {} if isinstance(event, MappingStartEvent) else []))
        elif isinstance(event, AliasEvent):
            self._put(self._resolve(str(event.anchor)))
        elif isinstance(event, MappingEndEvent | SequenceEndEvent):
            self._put(self._stack.pop())

    def finish(self) -> Document:
        """Return the document and the repeated keys in it; `TopologyError` if it is empty or no mapping."""
        if self._root is None or self._root.value is None:
            self.fail((1, 1), "the file is empty", "write at least name, nodes and bindings")
        if not isinstance(self._root.value, dict):
            self.fail(self._root.place, "the file is not a mapping", "begin with e.g. 'name: my-topology'")
        return Document(self._source, self._root.value, self._root, self._problems)

    def fail(self, place: Place, message: str, hint: str = "") -> NoReturn:
        """Stop reading with this problem and those found before it."""
        path = path_text(tuple(str(part.key.value) for part in self._stack if part.key))
        raise TopologyError(self._source, [*self._problems, Problem(*place, path, message, hint)]) from None

    def _part(self, event: ScalarEvent | MappingStartEvent | SequenceStartEvent, value: object) -> _Part:
        if event.tag is not None:
            self.fail(
                self.last, f"the tag {quoted(event.tag)} is not allowed", "write the value without a tag"
            )
        return _Part(value, self.last, event.anchor)

    def _open(self, part: _Part) -> None:
        self._check_depth(1)
        if part.anchor:
            self._anchors[part.anchor] = None  # known, but unusable until it is complete
        self._stack.append(part)

    def _resolve(self, anchor: str) -> _Part:
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            self.fail(self.last, f"more than {MAX_ALIASES} aliases", "write the values out")
        if anchor not in self._anchors:
            self.fail(self.last, f"the alias {quoted(anchor)} has no anchor before it")
        target = self._anchors[anchor]
        if target is None:
            self.fail(self.last, f"the alias {quoted(anchor)} lies inside its own anchor")
        self._check_depth(target.height)
        self._values += target.size - 1
        return replace(target, anchor=None)

    def _check_depth(self, more: int) -> None:
        if len(self._stack) + more > MAX_DEPTH:
            self.fail(self.last, f"nested deeper than {MAX_DEPTH} levels", "a topology needs four")

    def _put(self, part: _Part) -> None:
        if part.anchor:
            self._anchors[part.anchor] = part
        self._values += 1
        if self._values > MAX_VALUES:
            self.fail(self.last, f"more than {MAX_VALUES} values, aliases expanded", "split the topology")
        if not self._stack:
            self._root = part
            return
        parent = self._stack[-1]
        parent.size += part.size
        parent.height = max(parent.height, part.height + 1)
        if isinstance(parent.value, list):
            parent.value.append(part.value)
            parent.items.append(part)
        elif parent.key is None:
            parent.key = part
        else:
            self._put_entry(parent, parent.key, part)
            parent.key = None

    def _put_entry(self, parent: _Part, key: _Part, part: _Part) -> None:
        name = key.value
        path = path_text((*(str(above.key.value) for above in self._stack[:-1] if above.key), str(name)))
        if not isinstance(name, str):
            self._problems.append(
                Problem(*key.place, "", "a key is not text", "write a plain word before the colon")
            )
        elif name == "<<":
            hint = "write the keys out; an alias may stand for a whole value"
            self._problems.append(Problem(*key.place, path, "merge keys are not supported", hint))
        elif name in parent.entries:
            first = parent.entries[name][0]
            message = f"the key {quoted(name)} is written twice"
            hint = f"first at line {first[0]}, column {first[1]}"
            self._problems.append(Problem(*key.place, path, message, hint))
        else:
            parent.entries[name] = (key.place, part)
            parent.value[name] = part.value


def _fail_syntax(builder: _Builder, error: YAMLError, text: str) -> NoReturn:
    """Stop with the parser's complaint at its place; a line with a tab gets advice of its own."""
    place, what = builder.last, str(error).strip().split("\n")[0]
    if isinstance(error, ReaderError):
        before = text[: error.position]
        place = (before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1)
    if isinstance(error, MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        place = (mark.line + 1, mark.column + 1) if mark else place
        what = error.problem or error.context or what
    line = "".join(text.split("\n")[place[0] - 1 : place[0]])
    hint = "indent with spaces; YAML allows no tabs there" if "\t" in line else ""
    builder.fail(place, f"not valid YAML: {what}", hint)
