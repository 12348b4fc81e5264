"""The tables of rules fit each other, and the tests that they name exist."""

from __future__ import annotations

from dataclasses import fields

from nodes.policy import Policy
from nodes.verifier.rules import TESTS_FILE, Held, load_rules
from tests.rule_marks import marked_tests, table

RULES = load_rules()


def test_every_rule_of_the_contract_is_there_once() -> None:
    systems = [rule.system for rule in RULES.values()]
    assert {system: systems.count(system) for system in set(systems)} == {
        "ndis": 160,
        "offload": 60,
        "condis": 50,
        "wdf": 75,
        "wan": 29,
    }


def test_every_mark_names_a_rule_of_the_contract() -> None:
    assert [mark for mark in marked_tests() if mark[0] not in RULES] == []


def test_the_table_of_tests_is_the_one_that_the_marks_give() -> None:
    assert TESTS_FILE.read_text(encoding="utf-8") == table(), "run `make rules`"


def test_a_rule_counts_as_held_only_with_a_test() -> None:
    assert [rule.id for rule in RULES.values() if rule.held is not Held.MISSING and not rule.tests] == []


def test_a_policy_names_its_switch() -> None:
    switches = {field.name for field in fields(Policy)}
    assert {rule.switch for rule in RULES.values() if rule.switch} <= switches
    assert [rule.id for rule in RULES.values() if (rule.held is Held.POLICY) != bool(rule.switch)] == []
