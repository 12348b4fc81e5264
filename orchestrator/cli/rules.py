"""`ndisim rules`: the contract, rule by rule, with how each is held and which test shows it."""

from __future__ import annotations

import json
from collections import Counter
from difflib import get_close_matches
from typing import Any

import click

from nodes.verifier.rules import Compliance, Rule, load_compliance, load_rules
from orchestrator.cli.options import format_option

SYSTEMS = ("ndis", "wan", "condis", "offload", "wdf")
SUGGESTIONS = 3


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--system", type=click.Choice(SYSTEMS), help="Only the rules of one system.")
@click.option(
    "--compliance", is_flag=True, help="List Microsoft's rules instead, and which of ours hold them."
)
@format_option("text", "json")
def rules(ids: tuple[str, ...], system: str | None, compliance: bool, format: str) -> None:
    """List the rules of the contract, or show those named by ID whole."""
    if compliance:
        if ids or system:
            raise click.UsageError(
                "--compliance lists all of Microsoft's rules; it takes no ID and no --system"
            )
        click.echo(_compliance(list(load_compliance().values()), format))
        return
    known = load_rules()
    unknown = [key for key in ids if key not in known]
    if unknown:
        hints = "".join(_hint(key, known) for key in unknown)
        raise click.UsageError(f"no rule {', '.join(unknown)};{hints} `ndisim rules` lists them")
    chosen = [
        rule
        for rule in known.values()
        if (not ids or rule.id in ids) and (system is None or rule.system == system)
    ]
    if format == "json":
        click.echo(json.dumps([_row(rule) for rule in chosen], indent=2))
    elif ids:
        click.echo("\n\n".join(_whole(rule) for rule in chosen))
    else:
        click.echo(_table(chosen))


def _hint(key: str, known: dict[str, Rule]) -> str:
    """Return what may have been meant: an id that is nearly the same, or ours for one of Microsoft's names."""
    found = load_compliance().get(key)
    if found is not None and found.rules:
        return f" {key} is Microsoft's name for {' and '.join(found.rules)},"
    near = get_close_matches(key.upper(), known, SUGGESTIONS)
    return f" did you mean {' or '.join(near)}?" if near else ""


def _row(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "system": rule.system,
        "rule": rule.text,
        "meaning": rule.meaning,
        "bound": rule.bound,
        "severity": rule.severity,
        "violation": rule.violation,
        "microsoft": list(rule.microsoft),
        "bugchecks": list(rule.bugchecks),
        "look": rule.look,
        "held": _held(rule),
        "test": rule.tests[0] if rule.tests else None,
        "tests": list(rule.tests),
        "source": rule.source,
        "document": rule.document,
    }


def _held(rule: Rule) -> str:
    return f"{rule.held} ({rule.switch})" if rule.switch else str(rule.held)


def _whole(rule: Rule) -> str:
    also = [*rule.microsoft, *(f"bug check {check}" for check in rule.bugchecks)]
    return "\n".join(
        [
            f"{rule.id} ({rule.system}, {rule.severity}), binds {rule.bound}",
            f"  {rule.meaning}",
            f"  contract: {rule.text}",
            f"  broken by: {rule.violation}",
            *([f"  look: {rule.look}"] if rule.look else []),
            *([f"  Windows: {', '.join(also)}"] if also else []),
            f"  held: {_held(rule)}",
            *(f"  shown by: {test}" for test in rule.tests),
            f"  source: {rule.source}",
            *([f"  document: {rule.document}"] if rule.document != rule.source else []),
        ]
    )


def _table(chosen: list[Rule]) -> str:
    lines = [
        f"{rule.id:<12}  {rule.severity:<8}  {_held(rule):<26}  {_cut(rule.meaning, 100):<100}  {_names(rule)}".rstrip()
        for rule in chosen
    ]
    counts = Counter(str(rule.held) for rule in chosen)
    summary = ", ".join(f"{count} {held}" for held, count in counts.most_common())
    return "\n".join([*lines, "", f"{len(chosen)} rules: {summary}"])


def _names(rule: Rule) -> str:
    """Return Microsoft's name for the rule, or the first and how many more there are."""
    first, more = "".join(rule.microsoft[:1]), len(rule.microsoft) - 1
    return f"{first} +{more}" if more > 0 else first


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3].rstrip() + "..."


def _compliance(found: list[Compliance], format: str) -> str:
    if format == "json":
        rows = [
            {
                "name": one.name,
                "id_0xC4": one.bugcheck or None,
                "limit": one.limit or None,
                "marks": one.marks,
                "meaning": one.meaning,
                "rules": list(one.rules),
                "checked": one.checked,
                "here": one.here,
            }
            for one in found
        ]
        return json.dumps(rows, indent=2)
    lines = [
        f"{one.name:<33}  {one.bugcheck or '-':<10}  "
        + (f"checked by {', '.join(one.rules)}" if one.checked else f"not here: {one.here}")
        for one in found
    ]
    held = sum(one.checked for one in found)
    return "\n".join(
        [*lines, "", f"{len(found)} rules of Microsoft's: {held} checked, {len(found) - held} cannot occur"]
    )
