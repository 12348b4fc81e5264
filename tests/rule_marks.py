"""Which test shows which rule: read from the marks in the sources, written to the table that `ndisim rules` shows.

Run as `python -m tests.rule_marks` (that is `make rules`) to write the table anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from nodes.verifier.rules import TESTS_FILE

ROOT = Path(__file__).parent.parent


def marked_tests() -> list[tuple[str, str]]:
    """Return rule id and pytest node id of every mark, sorted."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for prefix, function in _functions(tree, ""):
            for rule in _rules_of(function):
                found.append((rule, f"{path.relative_to(ROOT).as_posix()}::{prefix}{function.name}"))
    return sorted(set(found))


def table() -> str:
    """Return the whole table as text."""
    return "".join("\t".join(row) + "\n" for row in [("rule", "test"), *marked_tests()])


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}::")
        elif isinstance(child, ast.FunctionDef) and child.name.startswith("test_"):
            yield prefix, child


def _rules_of(function: ast.FunctionDef) -> Iterator[str]:
    """Yield the ids in `@pytest.mark.rule(...)`, also where a parameter set carries the mark."""
    for decorator in function.decorator_list:
        for call in ast.walk(decorator):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "rule"
            ):
                values = (argument.value for argument in call.args if isinstance(argument, ast.Constant))
                yield from (value for value in values if isinstance(value, str))


if __name__ == "__main__":
    TESTS_FILE.write_text(table(), encoding="utf-8")
