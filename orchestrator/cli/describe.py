"""Commands that look at descriptions and start nothing: validate, graph, drivers, schema, version."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.app import current_version
from orchestrator.cli.options import FILE, drivers_option, format_option
from orchestrator.drivers import Catalogue, DriverInfo
from orchestrator.topology import TopologyError


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@drivers_option
@format_option("text", "json")
@click.pass_context
def validate(ctx: click.Context, files: tuple[Path, ...], drivers: tuple[Path, ...], format: str) -> None:
    """Check topology FILES, or shapes, and show every mistake with its line and column; exit code 2 if there is one."""
    from orchestrator.cli.inputs import read_topology

    catalogue = Catalogue(drivers)
    results: list[dict[str, Any]] = []
    for file in files:
        try:
            topology = read_topology(file, catalogue)
        except TopologyError as error:
            results.append({"file": str(file), "valid": False, **json.loads(error.to_json())})
            if format == "text":
                click.echo(error.to_text())
            continue
        results.append({"file": str(file), "valid": True, "source": str(file), "problems": []})
        if format == "text":
            click.echo(
                f"{file}: valid: {len(topology.nodes)} nodes, {len(topology.bindings)} bindings, "
                f"{len(topology.wires)} wires"
            )
    if format == "json":
        click.echo(json.dumps(results, indent=2))
    if not all(result["valid"] for result in results):
        ctx.exit(2)


@click.command()
@click.argument("file", type=FILE)
@drivers_option
@format_option("mermaid", "dot")
def graph(file: Path, drivers: tuple[Path, ...], format: str) -> None:
    """Draw the topology in FILE, or a shape: layers from top to bottom, wires across."""
    from orchestrator.cli.inputs import read_topology
    from orchestrator.topology import to_dot, to_mermaid

    topology = read_topology(file, Catalogue(drivers))
    click.echo((to_mermaid if format == "mermaid" else to_dot)(topology).rstrip("\n"))


@click.command()
@click.argument("name", required=False)
@drivers_option
@format_option("text", "json")
def drivers(name: str | None, drivers: tuple[Path, ...], format: str) -> None:
    """List every driver that a topology may name, or show driver NAME with its options."""
    catalogue = Catalogue(drivers)
    if name is None:
        infos = list(catalogue)
        as_json = format == "json"
        click.echo(json.dumps([_as_json(info) for info in infos], indent=2) if as_json else _list(infos))
        return
    info = catalogue.find(name)
    click.echo(json.dumps(_as_json(info), indent=2) if format == "json" else _one(info))


@click.command()
@click.argument("what", type=click.Choice(["topology", "report", "certificate"]), default="topology")
@drivers_option
def schema(what: str, drivers: tuple[Path, ...]) -> None:
    """Print the JSON schema of topology files (for editors), of the report of `run` or the certificate of `verify`."""
    if what == "report":
        from orchestrator.report_model import report_schema

        click.echo(json.dumps(report_schema(), indent=2))
        return
    if what == "certificate":
        from orchestrator.verify.certificate import certificate_schema

        click.echo(json.dumps(certificate_schema(), indent=2))
        return
    from orchestrator.topology import topology_schema

    click.echo(json.dumps(topology_schema(Catalogue(drivers)), indent=2))


@click.command("version")
@format_option("text", "json")
def show_version(format: str) -> None:
    """Print the version of ndisim."""
    found = current_version()
    click.echo(json.dumps({"ndisim": found}) if format == "json" else f"ndisim {found}")


def _as_json(info: DriverInfo) -> dict[str, Any]:
    return {
        "name": info.name,
        "kind": info.kind,
        "summary": info.summary,
        "reference": info.reference,
        "options": [asdict(option) | {"required": option.default is None} for option in info.options],
    }


def _list(infos: list[DriverInfo]) -> str:
    width = max((len(info.name) for info in infos), default=0)
    return "\n".join(f"{info.name:<{width}}  {info.kind:<12}  {info.summary}" for info in infos)


def _one(info: DriverInfo) -> str:
    lines = [f"{info.name} ({info.kind}): {info.summary}"]
    if not info.options:
        return "\n".join([*lines, "", "It has no options."])
    width = max(len(option.name) for option in info.options)
    units = max(len(option.unit) for option in info.options)
    lines.append("")
    for option in info.options:
        default = "required" if option.default is None else f"default {option.default or 'none'}"
        lines.append(
            f"  {option.name:<{width}}  {option.unit:<{units}}  {default:<16}  {option.help}".rstrip()
        )
    return "\n".join(lines)
