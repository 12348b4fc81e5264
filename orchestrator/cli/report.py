"""`ndisim report`: the report of a finished run as a page."""

from __future__ import annotations

import json
from pathlib import Path

import click

from orchestrator.cli.options import FILE, format_option


@click.command()
@click.argument("source", metavar="DIR_OR_FILE", type=FILE)
@click.option(
    "--html", type=FILE, help="Write the page to this file. Default: report.html beside the report."
)
@format_option("text", "json")
def report(source: Path, html: Path | None, format: str) -> None:
    """Write the report of a finished run as one HTML page that needs no network, and print where it is.

    DIR_OR_FILE is the output directory of `ndisim run --out`, or a report.json.
    """
    from orchestrator.page import to_html
    from orchestrator.report_file import REPORT_PAGE, read_report

    page = to_html(read_report(source))
    target = html or (source if source.is_dir() else source.parent) / REPORT_PAGE
    target.write_text(page, "utf-8")
    click.echo(json.dumps({"html": str(target)}) if format == "json" else target)
