from __future__ import annotations

import pytest

from orchestrator.topology.document import MAX_ALIASES, MAX_DEPTH, MAX_VALUES, read_document
from orchestrator.topology.problems import TopologyError


def complaint(text: str) -> str:
    with pytest.raises(TopologyError) as caught:
        read_document(text, "t.yml")
    return str(caught.value)


def test_scalars_stay_text_and_only_plain_nulls_are_none() -> None:
    data = read_document("a: 010\nb: ~\nc: 'null'\nd:\ne: [yes, 1.50]", "t.yml").data
    assert data == {"a": "010", "b": None, "c": "null", "d": None, "e": ["yes", "1.50"]}


def test_a_problem_is_placed_at_the_deepest_part_that_exists() -> None:
    document = read_document("a:\n  - {b: 1}\n  - {c: 2}\n", "t.yml")
    document.add(("a", 1, "c"), "at the value")
    document.add(("a", 1, "c"), "at the key", at_key=True)
    document.add(("a", 1, "missing"), "at the mapping")
    assert [(problem.line, problem.column) for problem in document.problems] == [(3, 9), (3, 6), (3, 5)]


def test_every_repeated_key_is_a_problem_and_names_the_first() -> None:
    document = read_document("a: 1\nb: {c: 1, c: 2}\na: 3\n", "t.yml")
    assert [problem.to_text("t.yml") for problem in document.problems] == [
        "t.yml:2:11: b.c: the key 'c' is written twice (first at line 2, column 5)",
        "t.yml:3:1: a: the key 'a' is written twice (first at line 1, column 1)",
    ]


def test_an_alias_stands_for_its_value() -> None:
    assert read_document("a: &x [1, 2]\nb: *x\n", "t.yml").data == {"a": ["1", "2"], "b": ["1", "2"]}


def test_an_alias_bomb_is_refused_before_it_expands() -> None:
    layers = ["l0: &l0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    layers += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 7)}]" for n in range(1, 9)]
    assert f"more than {MAX_VALUES} values, aliases expanded" in complaint("\n".join(layers))


def test_many_aliases_are_refused_whatever_they_stand_for() -> None:
    text = "a: &x 1\nb: [" + ", ".join(["*x"] * (MAX_ALIASES + 1)) + "]"
    assert f"more than {MAX_ALIASES} aliases" in complaint(text)


def test_an_alias_cannot_lie_inside_its_own_anchor() -> None:
    assert complaint("a: &x [*x]") == "t.yml:1:8: a: the alias 'x' lies inside its own anchor"


def test_aliases_cannot_nest_deeper_than_the_limit() -> None:
    half = MAX_DEPTH - 4
    text = f"a: &x {'[' * half}{']' * half}\nb: {'[' * half}*x{']' * half}"
    assert f"nested deeper than {MAX_DEPTH} levels" in complaint(text)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert f"nested deeper than {MAX_DEPTH} levels" in complaint(opening * 5000)


def test_a_flood_of_values_is_refused() -> None:
    assert f"more than {MAX_VALUES} values" in complaint("a: [" + "1," * (MAX_VALUES + 1) + "]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "t.yml:1:1: the file is empty (write at least name, nodes and bindings)"),
        ("# only a comment\n", "t.yml:1:1: the file is empty (write at least name, nodes and bindings)"),
        ("- a\n", "t.yml:1:1: the file is not a mapping (begin with e.g. 'name: my-topology')"),
        ("a: 1\n---\nb: 2\n", "t.yml:2:1: a second document begins here (one file holds one topology)"),
        ("a: !!python/object:os.system x", "t.yml:1:4: a: the tag 'tag:yaml.org,2002:python/object:os.system'"
         " is not allowed (write the value without a tag)"),
        ("a: *nowhere", "t.yml:1:4: a: the alias 'nowhere' has no anchor before it"),
        ("a: 1\n\tb: 2\n", "t.yml:2:1: not valid YAML: found character '\\t' that cannot start any token"
         " (indent with spaces; YAML allows no tabs there)"),
        ("a: 'open", "t.yml:1:9: a: not valid YAML: found unexpected end of stream"),
        ("a: [1, 2", "t.yml:1:9: a: not valid YAML: expected ',' or ']', but got '<stream end>'"),
    ],
)  # fmt: skip
def test_text_that_is_no_topology_is_named_with_its_place(text: str, message: str) -> None:
    assert complaint(text) == message


def test_merge_keys_and_keys_that_are_no_text_are_problems() -> None:
    document = read_document("a: &x {b: 1}\nc: {<<: *x}\n? [d]\n: 1\n", "t.yml")
    assert [problem.message for problem in document.problems] == [
        "merge keys are not supported",
        "a key is not text",
    ]


@pytest.mark.parametrize("text", ['a: "\\U7FFFFFFF"', "a: \x00", "%YAML 99999999999\n---\na: 1"])
def test_damaged_text_is_a_problem_but_never_a_crash(text: str) -> None:
    assert complaint(text).startswith("t.yml:1:")
