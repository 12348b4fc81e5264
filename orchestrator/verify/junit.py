"""A certificate as JUnit XML, for CI systems: a suite for each driver, a test case for each job."""

from __future__ import annotations

from pathlib import Path

from junitparser import JUnitXml, TestCase, TestSuite

from orchestrator.junit import broken, broken_off
from orchestrator.verify.certificate import Certificate, JobPart


def write_junit(certificate: Certificate, path: Path) -> None:
    """Write a certificate to `path`: broken rules are failures, jobs that broke off are errors; raises OSError."""
    report = JUnitXml()
    for driver in certificate.drivers:
        suite = TestSuite(driver.driver)
        for name in ("kind", "medium"):
            suite.add_property(name, getattr(driver, name))
        suite.add_property("level", str(certificate.level))
        suite.add_property("seed", str(certificate.seed))
        suite.add_testcases([_case(driver.driver, job) for job in driver.jobs])
        report.add_testsuite(suite)
    report.write(str(path))


def _case(driver: str, job: JobPart) -> TestCase:
    case = TestCase(job.job, classname=f"ndisim.verify.{driver}", time=job.duration_s)
    case.system_out = f"{job.what}\n{job.packets} packets, rules {' '.join(job.rules)}"
    if job.result == "violations":
        case.result = [broken(job.violations)]
    elif job.result == "failed":
        case.result = [broken_off(job.error or "", "failed")]
    return case
