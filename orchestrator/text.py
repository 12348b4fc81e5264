"""The report and the tables of other commands as text: 100 columns wide, in need of no terminal."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.report_model import (
    EventPart,
    FaultPart,
    LatencyPart,
    Report,
    SlowPart,
    ThresholdPart,
)
from orchestrator.setup_model import settings_of
from orchestrator.tables import duration, edges_table, nodes_table, phases_table, size
from orchestrator.violation_text import BAD, render_violations

WIDTH = 100
_LABEL_WIDTH = 14
_SHOWN_EVENTS = 20
_SHOWN_SLOW = 3
_STYLES = {"pass": "bold green", "void": "bold yellow"}
_VERDICTS = {
    "pass": "PASS",
    "thresholds": "FAIL: a threshold was not met",
    "violations": "FAIL: the contract was violated",
    "void": "VOID: the load generator or the machine was the bottleneck",
    "failed": "FAILED: the run broke off",
}


def render(report: Report) -> Group:
    """Return the report for a console: verdict, conservation, figures, nodes, violations."""
    parts: list[RenderableType] = [_head(report), Text()]
    if report.error:
        first, _, traceback = report.error.partition("\n")
        parts += [_line("error", Text(first, style=BAD)), *([Text(traceback)] if traceback else []), Text()]
    parts += _figures(report)
    parts += [_line("" if index else "faults", _fault(of)) for index, of in enumerate(report.faults)]
    parts += _events(report.events)
    if report.phases:
        parts += [Text(), phases_table(report.phases)]
    if report.thresholds:
        parts += [Text(), *_thresholds(report.thresholds)]
    parts += [Text(), nodes_table(report), Text(), edges_table(report)]
    if report.violations:
        parts += [Text(), *render_violations(report.violations, report.violation_count)]
    return Group(*parts)


def to_text(report: Report) -> str:
    """Return the report as plain text, without colours."""
    return plain(render(report))


def plain(content: RenderableType) -> str:
    """Return what a console would print, without colours or trailing spaces, 100 columns wide."""
    file = io.StringIO()
    Console(file=file, width=WIDTH, color_system=None, force_terminal=False).print(content, crop=False)
    return "".join(f"{line.rstrip()}\n" for line in file.getvalue().splitlines())


def show(content: RenderableType) -> None:
    """Print to stdout: in colours and at its width on a terminal, plain elsewhere."""
    console = Console(highlight=False)
    if console.is_terminal:
        console.print(content, crop=False)
    else:
        console.file.write(plain(content))


def _head(report: Report) -> Text:
    run = report.run
    text = Text(_VERDICTS[report.verdict], style=_STYLES.get(report.verdict, BAD))
    text.append(
        f"   {run.name}, run {run.id}, {run.mode}, seed {run.seed}, {run.duration_s:.2f} s ({report.ended})",
        style="not bold default",
    )
    return text


def _line(label: str, value: str | Text) -> Text:
    return Text.assemble((f"{label:<{_LABEL_WIDTH}}", "cyan"), value)


def _wrapped(label: str, value: str) -> Table:
    """Return a line whose text goes on below itself where it is too long."""
    grid = Table.grid()
    grid.add_column(width=_LABEL_WIDTH)
    grid.add_column()
    grid.add_row(Text(label, style="cyan"), Text(value))
    return grid


def _figures(report: Report) -> list[RenderableType]:
    of, got = report.conservation, report.received
    equation = f"accepted {of.accepted:,} = completed {of.completed:,} + in flight {of.in_flight:,}"
    equation += f" + lost {of.lost:,}"
    if of.duplicated:
        equation += f"   duplicated {of.duplicated:,}"
    lines: list[RenderableType] = [
        _line("conservation", Text(equation, style=BAD if of.lost or of.duplicated else "")),
        _line("throughput", f"{report.throughput_pps:,.0f} packets/s"),
        _line("latency", _percentiles(report.latency_us)),
    ]
    if report.planned_us.count:
        lines.append(_line("planned", _percentiles(report.planned_us)))
    if report.one_way_us.count:
        lines.append(_line("one way", _percentiles(report.one_way_us)))
    lines += [_wrapped("slowest", _slow(of)) for of in report.slowest[:_SHOWN_SLOW]]
    lines += [*_floor(report), *_machine(report), *_late(report), *_fairness(report)]
    statuses = ", ".join(f"{name} {count:,}" for name, count in report.statuses.items())
    lines.append(_line("statuses", statuses or "none"))
    lines.append(
        _line(
            "received",
            f"{got.frames:,} frames, {size(got.bytes)}; {got.corrupt:,} corrupt, "
            f"{got.out_of_order:,} out of order, {got.missed:,} missed",
        )
    )
    for wire in report.wires:
        lines.append(_line("wire", f"{wire.node} sent {wire.frames:,} frames, {wire.lost:,} lost on the way"))
    settings = settings_of(report.setup) if report.setup else []
    lines += [_wrapped(of.name, of.text) for of in settings if not of.usual]
    if report.trace_sha256:
        lines.append(_line("trace", f"sha256 {report.trace_sha256}"))
    return lines


def _slow(of: SlowPart) -> str:
    held = ", ".join(f"{stay.node} {duration(stay.held)}" for stay in of.held)
    text = f"{duration(of.took)}: {of.packet_id:#x} of {of.node}, back at {duration(of.at)}"
    return f"{text}; held by {held}" if held else text


def _floor(report: Report) -> list[Text]:
    """Return a line where latencies count from planned times, which a machine may keep better or worse."""
    of = report.floor_us
    if not report.planned_us.count or of.clock is None:
        return []
    woken = f"a sleeper wakes {duration(of.wake_p50)} late (p50), {duration(of.wake_p90)} (p90)"
    return [_line("floor", f"clock step {duration(of.clock)}; {woken}")]


def _machine(report: Report) -> list[RenderableType]:
    """Return who used the processors, and what set the pace."""
    lines: list[RenderableType] = []
    if (of := report.machine) is not None:
        text = (
            f"{of.processors} processors: nodes used {of.running:.2f} and waited for {of.waiting:.2f} more, "
        )
        lines.append(_line("machine", f"{text}others used {of.others:.2f}"))
    if report.bottleneck is not None:
        lines.append(_wrapped("bottleneck", f"{report.bottleneck.kind}: {report.bottleneck.text}"))
    return lines


def _late(report: Report) -> list[Text]:
    counted = ((name, node.counters) for name, node in report.nodes.items())
    return [
        _line(
            "late",
            f"{name} sent {of['late']:,} of {of['planned']:,} planned packets late, the worst by "
            f"{duration(of['worst_lag_us'])}",
        )
        for name, of in counted
        if of["late"]
    ]


def _fairness(report: Report) -> list[Text]:
    """Return a line where there are several senders of one driver; others are not meant to be equal."""
    of = report.fairness
    senders = [node for node in report.nodes.values() if node.kind == "protocol" and node.counters["sent"]]
    if not (of.slowest and of.fastest) or of.count == 1 or len({node.driver for node in senders}) > 1:
        return []
    least, most = (f"{share.name} {share.packets:,}" for share in (of.slowest, of.fastest))
    text = f"Jain {of.jain:.3f} over {of.count} senders; slowest {least}, fastest {most} packets"
    lines = [_line("fairness", text)]
    if of.starved_s is not None:
        text = f"{of.starved} got no completion for {duration(of.starved_s * 1e6)}, longer than any other"
        lines.append(_line("starved", text))
    return lines


def _fault(of: FaultPart) -> str:
    when = "its time did not come"
    if of.began is not None and of.ended is not None and of.kind == "bounce" and of.hit:
        when = f"from {duration(of.began)}, back after {duration(of.ended - of.began)}"
    elif of.began is not None:
        when = f"from {duration(of.began)} to {duration(of.ended)}, {of.hit:,} hit"
    return f"{of.name}: {of.kind} on {of.where}, {when}"


def _events(events: Sequence[EventPart]) -> list[Text]:
    """Return a line for each thing done to the stack; faults and violations have lines of their own."""
    done = [of for of in events if of.kind in ("operation", "death")]
    lines = [_event(of) for of in done[:_SHOWN_EVENTS]]
    if len(done) > _SHOWN_EVENTS:
        lines.append(f"and {len(done) - _SHOWN_EVENTS:,} more in the report as JSON")
    return [_line("" if index else "events", line) for index, line in enumerate(lines)]


def _event(of: EventPart) -> str:
    text = f"{of.what} of {of.where} at {duration(of.began)}"
    if of.ended is None:
        text += ", had not ended"
    elif of.began != of.ended:
        text += f", for {duration(of.ended - (of.began or 0))}"
    return f"{text}: {of.result}" if of.result else text


def _percentiles(of: LatencyPart) -> str:
    if not of.count:
        return "nothing measured"
    named = {"p50": of.p50, "p90": of.p90, "p99": of.p99, "p99.9": of.p999, "max": of.max}
    return "  ".join(f"{name} {duration(value)}" for name, value in named.items()) + f"  of {of.count:,}"


def _thresholds(outcomes: Sequence[ThresholdPart]) -> list[Text]:
    return [
        _line(
            "pass if" if not index else "",
            Text.assemble(
                ("ok    " if of.passed else "FAIL  ", "green" if of.passed else BAD),
                f"{of.condition}   (measured {_measured(of)})",
            ),
        )
        for index, of in enumerate(outcomes)
    ]


def _measured(outcome: ThresholdPart) -> str:
    if outcome.measured is None:
        return "nothing"
    if outcome.unit == "us":
        return duration(outcome.measured)
    return f"{outcome.measured:.3f}" if outcome.unit == "ratio" else f"{outcome.measured:,.0f}"
