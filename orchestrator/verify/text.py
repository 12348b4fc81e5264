"""A certificate as text: the table of jobs, and under it what was broken, as `ndisim run` shows it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.verify.certificate import Certificate, DriverPart, JobPart, Verdict
from orchestrator.violation_text import render_violations

_VERDICTS: dict[Verdict, str] = {
    "certified": "CERTIFIED",
    "violations": "NOT CERTIFIED: the contract was violated",
    "failed": "NOT CERTIFIED: a job failed",
}
_STYLES = {"certified": "bold green", "pass": "green"}
_BAD = "bold red"
_NUMBERS = 8
"""Numbers that are written behind the name that they share, so that lines can be broken."""


def render(certificate: Certificate) -> Group:
    """Return the certificate for a console: for each driver its verdict, its jobs, its first violations."""
    parts: list[RenderableType] = []
    for driver in certificate.drivers:
        parts += [_head(driver, certificate), Text(), _table(driver.jobs), *_failures(driver.jobs), Text()]
    return Group(*parts[:-1])


def _head(driver: DriverPart, certificate: Certificate) -> Text:
    jobs, packets = len(driver.jobs), sum(job.packets for job in driver.jobs)
    text = Text(_VERDICTS[driver.verdict], style=_STYLES.get(driver.verdict, _BAD))
    generation = "" if driver.generation == 6 else f", NDIS {driver.generation}"
    medium = "" if driver.medium == "ethernet" else f", {driver.medium}"
    text.append(
        f"   {driver.driver} ({driver.kind}{medium}{generation}), level {certificate.level}, seed {certificate.seed}: "
        f"{jobs} job{'s' if jobs != 1 else ''}, {packets:,} packets, {len(driver.rules)} rules",
        style="not bold default",
    )
    return text


def _table(jobs: Sequence[JobPart]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("job", no_wrap=True)
    table.add_column("mode", no_wrap=True)
    table.add_column("packets", justify="right", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("rules", justify="right", no_wrap=True)
    table.add_column("first exercised here")
    known: set[str] = set()
    for job in jobs:
        result = Text(job.result, style=_STYLES.get(job.result, _BAD))
        mode = job.mode if job.runs == 1 else f"{job.mode} x{job.runs}"
        new = [rule for rule in job.rules if rule not in known]
        known.update(new)
        table.add_row(job.job, mode, f"{job.packets:,}", result, str(len(job.rules)), short_ids(new))
    return table


def short_ids(rules: Iterable[str]) -> str:
    """Return rule ids with what they share named once: ``N6-SEND-02,03 N6-RX-01``."""
    families: dict[str, list[str]] = {}
    for rule in rules:
        family, _, number = rule.rpartition("-")
        families.setdefault(family, []).append(number)
    return " ".join(
        f"{family}-{','.join(numbers[start : start + _NUMBERS])}"
        for family, numbers in families.items()
        for start in range(0, len(numbers), _NUMBERS)
    )


def _failures(jobs: Sequence[JobPart]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for job in jobs:
        if job.result == "pass":
            continue
        parts += [Text(), Text.assemble((job.job, _BAD), f": {job.what}")]
        if job.error:
            parts.append(Padding(Text(job.error.rstrip()), (0, 0, 0, 2)))
        if job.violations:
            told = Group(*render_violations(job.violations, job.violation_count))
            parts.append(Padding(told, (0, 0, 0, 2)))
        elif job.result == "violations":
            parts.append(
                Padding(Text("packets do not add up: some were lost or came back twice"), (0, 0, 0, 2))
            )
    return parts
