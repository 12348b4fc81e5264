"""The tables of rules fit each other, and the tests that they name exist."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from nodes.policy import Policy
from nodes.verifier.rules import ABOUT_FILE, TESTS_FILE, Held, Rule, Severity, load_compliance, load_rules
from tests.rule_marks import marked_tests, table

RULES = load_rules()
COMPLIANCE = load_compliance()
NDIS_AND_WAN = [rule for rule in RULES.values() if rule.system in ("ndis", "wan")]
REPORTED = [
    rule
    for rule in RULES.values()
    if rule.held in (Held.CHECKED, Held.POLICY) and not rule.bound.startswith("NDIS")
]
ROOT = Path(__file__).parents[3]
LONGEST_MEANING = 100


def test_every_rule_of_the_contract_and_the_one_added_is_there_once() -> None:
    systems = [rule.system for rule in RULES.values()]
    assert {system: systems.count(system) for system in set(systems)} == {
        "ndis": 161,
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


def described() -> list[list[str]]:
    return [line.split("\t") for line in ABOUT_FILE.read_text(encoding="utf-8").splitlines()[1:]]


def test_every_rule_of_ndis_and_wan_is_described_once_in_the_order_of_the_contract() -> None:
    assert [row[0] for row in described()] == [rule.id for rule in NDIS_AND_WAN]


def test_a_meaning_fits_a_line_and_is_nobody_elses() -> None:
    meanings = [row[4] for row in described()]
    assert [text for text in meanings if not text or len(text) > LONGEST_MEANING or text[-1] != "."] == []
    assert len(set(meanings)) == len(meanings)


@pytest.mark.parametrize("rule", REPORTED, ids=lambda rule: rule.id)
def test_a_rule_whose_breach_is_reported_says_what_it_means_and_where_to_look(rule: Rule) -> None:
    assert rule.meaning
    assert rule.look
    assert rule.look != rule.meaning


def test_a_rule_without_a_word_on_where_to_look_binds_the_simulator_alone() -> None:
    silent = [rule for rule in NDIS_AND_WAN if not rule.look]
    assert [rule.id for rule in silent if not rule.bound.startswith("NDIS")] == []


def test_what_a_real_system_stops_for_is_fatal() -> None:
    assert [rule.id for rule in NDIS_AND_WAN if rule.bugchecks and rule.severity is not Severity.FATAL] == []
    codes = {code for rule in NDIS_AND_WAN for code in rule.bugchecks}
    assert [code for code in codes if not re.fullmatch(r"0x(7C|C4)/0x[0-9A-F]{2,5}", code)] == []


def test_a_source_is_never_that_of_another_line() -> None:
    assert [rule.id for rule in RULES.values() if rule.source.startswith("same")] == []
    assert RULES["N6-SEND-04"].source == RULES["N6-SEND-03"].source
    assert RULES["N6-CAN-06"].source.endswith("; N:canceling-a-send-request-in-a-filter-driver")


def test_a_rule_has_the_address_of_its_page() -> None:
    assert RULES["N6-CAN-05"].document == (
        "https://learn.microsoft.com/windows-hardware/drivers/ddi/ndis/nc-ndis-miniport_cancel_send"
    )
    assert RULES["WAN-SND-01"].document.endswith("/ff550561(v=vs.85)")
    assert RULES["WAN-SND-06"].document == RULES["WAN-SND-06"].source


def test_microsofts_rules_are_the_58_about_asynchrony_ownership_irql_locks_and_cancellation() -> None:
    assert len(COMPLIANCE) == 58
    assert [one.name for one in COMPLIANCE.values() if not set(one.marks) & set("ACOILX")] == []


def test_each_of_microsofts_rules_is_checked_by_rules_that_are_held_or_says_why_not() -> None:
    for one in COMPLIANCE.values():
        held = [RULES[rule].held for rule in one.rules]
        if one.checked:
            assert held, one.name
            assert set(held) <= {Held.CHECKED, Held.POLICY}, one.name
        else:
            assert len(one.here) > len("not here"), one.name
            assert Held.MISSING not in held, one.name


def test_the_names_and_numbers_of_microsofts_rules_are_the_same_from_both_sides() -> None:
    for one in COMPLIANCE.values():
        for rule in one.rules:
            assert one.name in RULES[rule].microsoft, (one.name, rule)
            if one.bugcheck:
                assert f"0xC4/0x{int(one.bugcheck, 16):X}" in RULES[rule].bugchecks, (one.name, rule)
    for other in RULES.values():
        known = [name for name in other.microsoft if name in COMPLIANCE]
        assert [name for name in known if other.id not in COMPLIANCE[name].rules] == [], other.id


def test_the_tables_come_with_the_code_and_from_nowhere_else() -> None:
    outside = "/".join(["shared", "contract"])
    sources = [
        path for room in ("shm", "nodes", "orchestrator", "tests") for path in (ROOT / room).rglob("*.py")
    ]
    assert [path for path in sources if outside in path.read_text(encoding="utf-8")] == []
