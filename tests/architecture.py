"""Checks of the house rules, each a function from sources to the places that break the rule.

A place is written as `path:line what`, so that a failing test can be clicked. Nothing is imported: what a
module does at import time must not decide whether it is looked at.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """One Python file: its path in the repository and its text."""

    path: str
    text: str

    @classmethod
    def below(cls, root: Path, *folders: str) -> list[Source]:
        """Read every Python file of some folders of the repository."""
        return [
            cls(str(path.relative_to(root)), path.read_text())
            for folder in folders
            for path in sorted((root / folder).rglob("*.py"))
        ]

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def package(self) -> str:
        return self.path.split("/")[0]

    def imports(self) -> Iterator[tuple[int, str]]:
        """Yield line and dotted name of each import, `from a import b` as `a.b`, relative ones resolved."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from ((node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(node)
                yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)

    def _base(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folders = self.path.split("/")[: -node.level]
        return ".".join([*folders, *([node.module] if node.module else [])])


def wrong_way_imports(sources: list[Source], below: dict[str, set[str]]) -> list[str]:
    """Find imports of one of our packages by a package that does not stand above it."""
    return [
        f"{source.path}:{line} {source.package} imports {name}"
        for source in sources
        for line, name in source.imports()
        if name.split(".")[0] in below.keys() - below[source.package] - {source.package}
    ]


def foreign_imports(sources: list[Source], ours: set[str], allowed: dict[str, set[str]]) -> list[str]:
    """Find third-party imports not on the list of the folder; the deepest listed folder counts."""
    found = []
    for source in sources:
        folder = max((name for name in allowed if f"{source.path}/".startswith(f"{name}/")), key=len)
        known = sys.stdlib_module_names | ours | allowed[folder]
        found += [
            f"{source.path}:{line} {name} is not on the list of {folder}/"
            for line, name in source.imports()
            if name.split(".")[0] not in known
        ]
    return found


def uses_of(sources: list[Source], banned: set[str]) -> list[tuple[str, int, str]]:
    """Find uses of dotted names or whole modules, under whatever alias, as (path, line, banned name)."""
    return sorted({use for source in sources for use in _uses_in(source, banned)})


def _uses_in(source: Source, banned: set[str]) -> Iterator[tuple[str, int, str]]:
    aliases = _aliases(source)
    for line, name in source.imports():
        yield from ((source.path, line, ban) for ban in banned if f"{name}.".startswith(f"{ban}."))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute):
            dotted = _dotted(node)
            first, _, rest = dotted.partition(".")
            name = f"{aliases.get(first, '?')}.{rest}"
            yield from ((source.path, node.lineno, ban) for ban in banned if f"{name}.".startswith(f"{ban}."))


def _aliases(source: Source) -> dict[str, str]:
    aliases: dict[str, str] = {}
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.split(".")[0]
                aliases[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level:
            aliases |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return aliases


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def long_modules(sources: list[Source], limit: int) -> list[str]:
    """Find modules of more lines than `limit`."""
    lengths = {source.path: len(source.text.splitlines()) for source in sources}
    return [f"{path}:1 {length} lines" for path, length in lengths.items() if length > limit]


def long_functions(sources: list[Source], limit: int) -> list[str]:
    """Find functions of more lines than `limit`, counted from `def` to the last line, docstring included."""
    return [
        f"{source.path}:{node.lineno} {node.name} has {length} lines"
        for source in sources
        for node in ast.walk(source.tree)
        if isinstance(node, Function)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > limit
    ]


def undocumented(sources: list[Source]) -> list[str]:
    """Find public modules, classes, functions and methods without a docstring.

    A method that overrides a documented one of our own classes has its docstring there. Dunder methods,
    setters and overloads need none.
    """
    bases, documented = _class_facts(sources)
    found = [f"{s.path}:1 module" for s in sources if not ast.get_docstring(s.tree)]
    for source in sources:
        for owner, node in _public_definitions(source.tree):
            name = f"{owner}.{node.name}" if owner else node.name
            inherited = owner is not None and _inherits_docstring(owner, node.name, bases, documented)
            if not (ast.get_docstring(node) or inherited):
                found.append(f"{source.path}:{node.lineno} {name}")
    return found


def _public_definitions(tree: ast.Module) -> Iterator[tuple[str | None, ast.ClassDef | Function]]:
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | Function) or node.name.startswith("_"):
            continue
        yield None, node
        for member in node.body if isinstance(node, ast.ClassDef) else []:
            if isinstance(member, ast.ClassDef | Function) and not _needs_no_docstring(member):
                yield node.name, member


def _needs_no_docstring(member: ast.ClassDef | Function) -> bool:
    marks = {_dotted(mark).split(".")[-1] for mark in member.decorator_list}
    return member.name.startswith("_") or bool(marks & {"overload", "setter", "deleter"})


def _class_facts(sources: list[Source]) -> tuple[dict[str, set[str]], set[tuple[str, str]]]:
    """Return the names of each class's bases, and which (class, method) pairs carry a docstring."""
    bases: dict[str, set[str]] = {}
    documented: set[tuple[str, str]] = set()
    for source in sources:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.ClassDef):
                names = {
                    _dotted(b.value if isinstance(b, ast.Subscript) else b).split(".")[-1] for b in node.bases
                }
                bases.setdefault(node.name, set()).update(names)
                documented |= {
                    (node.name, m.name) for m in node.body if isinstance(m, Function) and ast.get_docstring(m)
                }
    return bases, documented


def _inherits_docstring(
    owner: str, method: str, bases: dict[str, set[str]], documented: set[tuple[str, str]]
) -> bool:
    seen: set[str] = set()
    waiting = set(bases.get(owner, ()))
    while waiting:
        name = waiting.pop()
        if (name, method) in documented:
            return True
        seen.add(name)
        waiting |= bases.get(name, set()) - seen
    return False


def public_names(source: Source) -> list[str] | None:
    """Return the names in a module's `__all__`, None when it has none."""
    for node in source.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            value = getattr(node, "value", None)
            assert value is not None, f"{source.path}: __all__ has no value"
            return [str(name) for name in ast.literal_eval(value)]
    return None
