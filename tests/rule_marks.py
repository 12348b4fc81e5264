"""Which test shows which rule: read from the marks in the sources and from the beasts of the zoo.

`ndisim rules` shows the table.

Run as `python -m tests.rule_marks` (that is `make rules`) to write the table anew.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from nodes.verifier.rules import TESTS_FILE
from tests.zoo.beast import BEASTS
from tests.zoo.test_zoo import test_a_wrong_driver_is_caught_by_just_its_rule as LET_OUT

ROOT = Path(__file__).parent.parent
ZOO = "tests/zoo/test_zoo.py"


def marked_tests() -> list[tuple[str, str]]:
    """Return rule id and pytest node id of every mark and every beast, sorted."""
    found = [(beast.rule, f"{ZOO}::{LET_OUT.__name__}[{beast.name}-inline]") for beast in BEASTS]
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
