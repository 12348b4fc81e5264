"""`ndisim verify` as a user calls it: tables, exit codes, JSON, JUnit XML."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from junitparser import JUnitXml

from orchestrator.verify import Certificate
from tests.end_to_end.command import ROOT, ndisim

OWN = ROOT / "examples" / "own_drivers"
WRONG = ROOT / "tests" / "end_to_end" / "wrong_drivers.py"


def test_a_right_driver_is_certified_with_exit_code_0(tmp_path: Path) -> None:
    done = ndisim("verify", OWN / "refuse.py", "--job", "connectivity", "--job", "cancel-storm")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("CERTIFIED   refuse (filter), level 4, seed 1: 2 jobs, 8,000 packets, ")
    assert [line.split()[:4] for line in done.stdout.splitlines() if "inline" in line] == [
        ["connectivity", "inline", "4,000", "pass"],
        ["cancel-storm", "inline", "4,000", "pass"],
    ]
    assert "ndisim: refuse: connectivity: pass, 4,000 packets" in done.stderr


def test_a_job_with_processes_is_played_too() -> None:
    done = ndisim("verify", "pass-through", "--job", "connectivity-processes", "--quiet")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


@pytest.mark.parametrize(
    ("driver", "rule"),
    [
        ("Twice", "N6-SEND-10"),
        ("Touching", "N6-SEND-14"),
        ("Forgetful", "N6-SEND-19"),
    ],
)
def test_a_wrong_driver_is_told_its_rule_with_exit_code_98(driver: str, rule: str) -> None:
    done = ndisim("verify", f"{WRONG}:{driver}", "--job", "connectivity", "--quiet")
    assert done.returncode == 98, done.stdout
    assert done.stdout.startswith("NOT CERTIFIED: the contract was violated")
    assert f"{rule}  driver: " in done.stdout


def test_a_driver_that_raises_is_exit_code_1() -> None:
    done = ndisim("verify", f"{WRONG}:Raising", "--job", "connectivity", "--quiet")
    assert done.returncode == 1
    assert "raised LookupError: no such descriptor" in done.stdout


def test_json_is_the_certificate_and_junit_has_a_case_for_each_job(tmp_path: Path) -> None:
    file = tmp_path / "verify.xml"
    jobs = [part for name in ("connectivity", "halt-leaks") for part in ("--job", name)]
    done = ndisim("verify", f"{WRONG}:Twice", *jobs, "--format", "json", "--junit", file, "--quiet")
    certificate = Certificate.model_validate_json(done.stdout)
    assert (certificate.verdict, done.returncode) == ("violations", 98)
    [driver] = certificate.drivers
    assert [(job.job, job.result) for job in driver.jobs] == [
        ("connectivity", "violations"),
        ("halt-leaks", "violations"),
    ]
    [suite] = JUnitXml.fromfile(str(file))
    assert (suite.name, suite.tests, suite.failures, suite.errors) == ("twice", 2, 2, 0)
    [result] = next(iter(suite)).result
    assert result.message == "broken: N6-SEND-10"


def test_the_jobs_are_listed_without_being_played() -> None:
    done = ndisim("verify", "mux", "--list", "--format", "json")
    assert done.returncode == 0
    assert {row["job"] for row in json.loads(done.stdout)} >= {"connectivity", "pnp", "oid-cancel"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("mix",), "there is no driver 'mix'"),
        (("pcap-replay",), "pcap-replay cannot run without file"),
        (("mux", "--options", "balance=best"), "mux refuses its options: balance: 'best' is not one of"),
        (("mux", "--job", "dance"), "no job dance for mux"),
        (("nowhere.py",), "there is no driver file"),
    ],
)
def test_what_cannot_be_verified_is_exit_code_2(arguments: tuple[str, ...], message: str) -> None:
    done = ndisim("verify", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
