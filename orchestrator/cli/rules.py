"""`ndisim rules`: the contract, rule by rule, with how each is held and which test shows it."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import click

from nodes.verifier.rules import Rule, load_rules
from orchestrator.cli.options import format_option

SYSTEMS = ("ndis", "wan", "condis", "offload", "wdf")


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID]...")
@click.option("--system", type=click.Choice(SYSTEMS), help="Only the rules of one system.")
@format_option("text", "json")
def rules(ids: tuple[str, ...], system: str | None, format: str) -> None:
    """List the rules of the contract, or show those named by ID whole."""
    known = load_rules()
    unknown = [key for key in ids if key not in known]
    if unknown:
        raise click.UsageError(f"no rule {', '.join(unknown)}; `ndisim rules` lists them")
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


def _row(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "system": rule.system,
        "rule": rule.text,
        "bound": rule.bound,
        "held": _held(rule),
        "test": rule.tests[0] if rule.tests else None,
        "tests": list(rule.tests),
        "source": rule.source,
    }


def _held(rule: Rule) -> str:
    return f"{rule.held} ({rule.switch})" if rule.switch else str(rule.held)


def _whole(rule: Rule) -> str:
    return "\n".join(
        [
            f"{rule.id} ({rule.system}), binds {rule.bound}",
            f"  {rule.text}",
            f"  broken by: {rule.violation}",
            f"  held: {_held(rule)}",
            *(f"  shown by: {test}" for test in rule.tests),
            f"  source: {rule.source}",
        ]
    )


def _table(chosen: list[Rule]) -> str:
    lines = [f"{rule.id:<12}  {_held(rule):<26}  {_first_line(rule.text)}" for rule in chosen]
    counts = Counter(str(rule.held) for rule in chosen)
    summary = ", ".join(f"{count} {held}" for held, count in counts.most_common())
    return "\n".join([*lines, "", f"{len(chosen)} rules: {summary}"])


def _first_line(text: str) -> str:
    """Return a rule's first sentence, cut to what fits a line."""
    sentence = text.split(". ")[0].split("; ")[0].rstrip(".")
    return sentence if len(sentence) <= 110 else sentence[:107].rstrip() + "..."
