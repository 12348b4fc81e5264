"""A stressed stack as JUnit XML, for CI systems: a test case for each condition, and one for the run."""

from __future__ import annotations

from pathlib import Path

from junitparser import Failure, JUnitXml, TestCase, TestSuite

from orchestrator.junit import broken, broken_off
from orchestrator.report_model import Report, ThresholdPart

_CLASS = "ndisim.stress"


def write_junit(reports: dict[str, Report], path: Path) -> None:
    """Write a suite for each report, under its name; broken rules and conditions are failures; raises OSError."""
    content = JUnitXml()
    for name, report in reports.items():
        suite = TestSuite(name)
        for key in ("seed", "mode"):
            suite.add_property(key, str(getattr(report.run, key)))
        suite.add_property("throughput_pps", f"{report.throughput_pps:.0f}")
        suite.add_testcases([_run(name, report), *(_condition(name, one) for one in report.thresholds)])
        content.add_testsuite(suite)
    path.parent.mkdir(parents=True, exist_ok=True)
    content.write(str(path))


def _run(name: str, report: Report) -> TestCase:
    case = TestCase("run", classname=f"{_CLASS}.{name}", time=report.run.duration_s)
    if report.verdict in ("failed", "void"):
        case.result = [broken_off(report.error or report.verdict, report.verdict)]
    elif report.verdict == "violations":
        case.result = [broken(report.violations)]
    return case


def _condition(name: str, of: ThresholdPart) -> TestCase:
    case = TestCase(of.condition, classname=f"{_CLASS}.{name}")
    if not of.passed:
        measured = "nothing" if of.measured is None else f"{of.measured:,.2f}".removesuffix(".00")
        case.result = [Failure(f"{of.condition}: measured {measured} ({of.unit})", "threshold")]
    return case
