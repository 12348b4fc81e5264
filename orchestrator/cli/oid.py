"""The command `oid`: query or set something of a node of a live run."""

from __future__ import annotations

import json
from typing import Any

import click

from orchestrator.cli.options import format_option

_LIMIT_S = 15.0


@click.command()
@click.argument("run")
@click.argument("node")
@click.argument("oid")
@click.argument("value", required=False)
@click.option("--method", is_flag=True, help="Give VALUE to a method request instead of setting it.")
@format_option("text", "json")
def oid(run: str, node: str, oid: str, value: str | None, method: bool, format: str) -> None:
    """Ask the driver of NODE in the live RUN for OID, or set it to VALUE.

    RUN is the run's name or the beginning of its id, OID a Windows name such as OID_GEN_STATISTICS or a number.
    VALUE is a 32-bit number, an address (01:00:5e:00:00:01), a packet filter (directed+broadcast), or bytes
    (hex:0a1b). The request goes where NDIS itself would put it, before the driver's handler; the exit code is 1
    when it ends with anything but SUCCESS.
    """
    from nodes.ndis.oid import Oid, oid_name
    from nodes.status import Status, status_name
    from orchestrator.inspect import find_run
    from orchestrator.oids import ValueUnclear, decode_answer, encode_value
    from orchestrator.query import ask_run

    try:
        number = Oid.parse(oid)
        buffer = b"" if value is None else encode_value(value)
    except (ValueUnclear, ValueError) as error:
        raise click.BadParameter(str(error)) from None
    kind = "method" if method else "query" if value is None else "set"
    arguments = {"oid": number, "type": kind, "buffer": buffer}
    found = ask_run(find_run(run).path, node, "oid", arguments, limit=_LIMIT_S)
    answer, status = found["answer"], found["status"]
    shown = None if kind == "set" else decode_answer(number, answer)
    if format == "json":
        row = {"node": node, "oid": oid_name(number), "type": kind, "status": status_name(status)}
        click.echo(json.dumps({**row, "value": shown, "bytes": answer.hex()}, indent=2))
    else:
        _print(oid_name(number), status_name(status), shown)
    if status != Status.SUCCESS:
        raise click.exceptions.Exit(1)


def _print(name: str, status: str, shown: Any) -> None:
    if status != "SUCCESS" or shown is None:
        click.echo(f"{name}: {status}")
    elif isinstance(shown, dict):
        click.echo(f"{name}:")
        for key, value in shown.items():
            click.echo(f"  {key:<14}{value:,}" if type(value) is int else f"  {key:<14}{value}".lower())
    elif isinstance(shown, list):
        click.echo("\n".join([f"{name}:", *(f"  {item}" for item in shown)]))
    else:
        click.echo(f"{name}: {shown}")
