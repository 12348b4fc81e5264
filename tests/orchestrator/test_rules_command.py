"""`ndisim rules` shows the contract: every rule, how it is held, and a test that is there."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from nodes.verifier.rules import Held, Severity, load_compliance, load_rules
from orchestrator.cli.app import cli
from orchestrator.cli.rules import SYSTEMS

ROOT = Path(__file__).parent.parent.parent
RULES = load_rules()
COMPLIANCE = load_compliance()
SWITCHED = next(rule for rule in RULES.values() if rule.switch)


def ndisim(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["rules", *arguments], prog_name="ndisim")


def rows(*arguments: str) -> list[dict[str, Any]]:
    result = ndisim(*arguments, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_every_rule_has_a_line_and_the_last_line_counts_them() -> None:
    lines = ndisim().stdout.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == list(RULES)
    assert lines[-1].startswith(f"{len(RULES)} rules: ")
    counted = sum(int(part.split()[0]) for part in lines[-1].partition(": ")[2].split(", "))
    assert counted == len(RULES)


@pytest.mark.parametrize("system", SYSTEMS)
def test_the_rules_of_one_system_can_be_had_alone(system: str) -> None:
    lines = ndisim("--system", system).stdout.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == [
        rule.id for rule in RULES.values() if rule.system == system
    ]


def test_a_system_that_is_not_there_is_a_usage_error() -> None:
    assert ndisim("--system", "netbios").exit_code == 2


def test_a_rule_named_by_its_id_is_shown_whole() -> None:
    rule = RULES["N6-SEND-10"]
    shown = ndisim(rule.id).stdout
    assert shown.startswith(f"{rule.id} (ndis, fatal), binds {rule.bound}\n  {rule.meaning}\n")
    assert f"\n  contract: {rule.text}\n" in shown
    assert f"\n  look: {rule.look}\n" in shown
    assert f"\n  Windows: bug check {rule.bugchecks[0]}\n" in shown
    assert f"\n  document: {rule.document}\n" in shown
    assert f"\n  held: {rule.held}\n" in shown
    assert all(f"\n  shown by: {test}\n" in shown for test in rule.tests)
    assert rule.source in shown


def test_several_rules_can_be_named_at_once() -> None:
    assert [row["id"] for row in rows("WAN-SND-01", "N6-SEND-10")] == ["N6-SEND-10", "WAN-SND-01"]


def test_an_id_that_is_not_there_is_a_usage_error() -> None:
    result = ndisim("N6-SEND-10", "N6-SEND-99")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "no rule N6-SEND-99; did you mean N6-SEND-19 or N6-SEND-09" in result.stderr
    assert "`ndisim rules` lists them" in result.stderr


def test_an_id_in_lower_case_and_a_name_of_microsofts_lead_to_the_rule() -> None:
    assert "did you mean N6-SEND-10" in ndisim("n6-send-10").stderr
    assert "NdisTimedDataSend is Microsoft's name for N6-SEND-19" in ndisim("NdisTimedDataSend").stderr


def test_an_id_like_no_other_is_answered_without_a_guess() -> None:
    assert "no rule mumble; `ndisim rules` lists them" in ndisim("mumble").stderr


def test_the_table_shows_severity_and_the_name_that_microsoft_has_for_a_rule() -> None:
    line = next(line for line in ndisim().stdout.splitlines() if line.startswith("N6-OID-10"))
    assert line.split()[1] == "fatal"
    assert line.endswith("  NdisTimedOidComplete")


def test_microsofts_rules_are_listed_each_with_ours_or_with_the_reason_why_not() -> None:
    lines = ndisim("--compliance").stdout.splitlines()
    assert [line.split()[0] for line in lines[:-2]] == list(COMPLIANCE)
    assert re.search(
        r"^NdisTimedOidComplete +0x00092003 +checked by N6-OID-10$", "\n".join(lines), re.MULTILINE
    )
    assert re.search(r"^WlanTimedScan +0x0009400C +not here: no 802.11", "\n".join(lines), re.MULTILINE)
    held = sum(one.checked for one in COMPLIANCE.values())
    assert lines[-1] == f"58 rules of Microsoft's: {held} checked, {58 - held} cannot occur"


def test_microsofts_rules_can_be_had_as_json() -> None:
    found = rows("--compliance")
    assert [row["name"] for row in found] == list(COMPLIANCE)
    assert found[0] == {
        "name": "NdisOidComplete",
        "id_0xC4": "0x00091001",
        "limit": None,
        "marks": "AC",
        "meaning": COMPLIANCE["NdisOidComplete"].meaning,
        "rules": ["N6-OID-03", "N6-OID-08"],
        "checked": True,
        "here": "checked",
    }


@pytest.mark.parametrize("other", [["N6-OID-02"], ["--system", "ndis"]])
def test_microsofts_rules_are_listed_whole_or_not_at_all(other: list[str]) -> None:
    assert ndisim("--compliance", *other).exit_code == 2


def test_a_policy_is_shown_with_its_switch() -> None:
    assert rows(SWITCHED.id)[0]["held"] == f"policy ({SWITCHED.switch})"
    assert f"\n  held: policy ({SWITCHED.switch})\n" in ndisim(SWITCHED.id).stdout


def test_every_row_says_what_the_rule_is_whom_it_binds_and_how_it_is_held() -> None:
    found = rows()
    assert [row["id"] for row in found] == list(RULES)
    for row in found:
        assert {
            "id",
            "system",
            "rule",
            "bound",
            "held",
            "test",
            "look",
            "microsoft",
            "bugchecks",
        } <= row.keys()
        assert row["severity"] in set(Severity)
        assert row["meaning"]
        assert row["system"] in SYSTEMS
        assert row["rule"]
        assert row["bound"]
        assert row["held"].partition(" (")[0] in set(Held)


def test_every_rule_that_counts_as_held_names_a_test() -> None:
    assert [row["id"] for row in rows() if row["held"] != Held.MISSING and not row["test"]] == []


def test_every_test_that_a_rule_names_is_there() -> None:
    gone = []
    for row in rows():
        assert row["test"] in (row["tests"] or [None])
        for test in row["tests"]:
            file, _, name = test.partition("::")
            if not (ROOT / file).is_file() or name.partition("[")[0].rpartition("::")[2] not in functions(
                file
            ):
                gone.append(test)
    assert gone == []
