"""A job tells right drivers from wrong ones, by the rule that was broken."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from nodes.registry import STOCK_DRIVERS
from orchestrator.verify import JOBS, find_subjects, jobs_for, play
from orchestrator.verify.certificate import JobPart

ROOT = Path(__file__).parents[3]
WRONG = Path(__file__).parent / "drivers.py"
WEB = ROOT / "examples" / "captures" / "web.pcapng"
NEEDED = {"pcap-replay": [f"file={WEB}"]}


def played(driver: object, *jobs: str, options: Iterable[str] = ()) -> dict[str, JobPart]:
    """Play these jobs, all if none is named, and return their parts of the certificate."""
    [subject] = find_subjects(str(driver), list(options))
    chosen = [job for job in jobs_for(subject) if not jobs or job.name in jobs]
    return {job.name: play(job, subject, level=4, seed=1) for job in chosen}


def bad(parts: dict[str, JobPart]) -> dict[str, object]:
    """Return what did not pass, and why."""
    return {
        name: (part.error, [f"{one.rule} {one.node}: {one.message}" for one in part.violations])
        for name, part in parts.items()
        if part.result != "pass"
    }


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "driver",
    [pytest.param(name, marks=() if name == "miniport" else pytest.mark.slow) for name in STOCK_DRIVERS],
)
def test_every_stock_driver_is_certified(driver: str) -> None:
    parts = played(driver, options=NEEDED.get(driver, ()))
    assert bad(parts) == {}
    assert all(part.packets for part in parts.values())


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("file", ["refuse.py:Refuse", "lazy_nic.py:LazyNic"])
def test_the_example_drivers_are_certified(file: str) -> None:
    assert bad(played(ROOT / "examples" / "own_drivers" / file)) == {}


@pytest.mark.parametrize("name", ["Nic5", "Listener5"])
def test_drivers_of_ndis_5_are_certified(name: str) -> None:
    parts = played(f"{WRONG}:{name}", *({job.name for job in JOBS} - {"connectivity-processes"}))
    assert bad(parts) == {}


def test_the_same_job_and_seed_come_to_the_same_again() -> None:
    def once() -> tuple[int, list[str], str]:
        part = played("mux", "cancel-storm")["cancel-storm"]
        return part.packets, part.rules, part.result

    assert once() == once()


@pytest.mark.rule("N6-SEND-19")
def test_a_driver_that_forgets_sends_breaks_the_rule_about_their_time() -> None:
    part = played(f"{WRONG}:Forgetful", "connectivity")["connectivity"]
    assert part.result == "violations"
    assert {one.rule for one in part.violations} == {"N6-SEND-19"}


def test_a_driver_that_raises_fails_with_its_line() -> None:
    part = played(f"{WRONG}:Raising", "connectivity")["connectivity"]
    assert (part.result, part.violations) == ("failed", [])
    assert part.error is not None
    assert "raised LookupError: no such descriptor, at " in part.error
    assert "drivers.py:" in part.error


def test_a_driver_that_raises_while_it_is_set_up_fails() -> None:
    part = played(f"{WRONG}:Unready", "connectivity")["connectivity"]
    assert part.result == "failed"
    assert part.error is not None
    assert "no such register" in part.error


@pytest.mark.parametrize(
    ("beast", "job", "rule"),
    [
        ("sends:CompletesTwice", "connectivity", "N6-SEND-10"),
        ("cancels:AbortsAll", "cancel-storm", "N6-CAN-05"),
        ("oids:PendsHook", "oid-set", "N6-OID-20"),
        ("filters:DropsTheLoopbackFlag", "connectivity", "N6-FLT-06"),
    ],
)
def test_a_beast_of_the_zoo_is_told_its_rule(beast: str, job: str, rule: str) -> None:
    part = played(f"tests.zoo.{beast}", job)[job]
    assert rule in {one.rule for one in part.violations}, part.error


def test_a_sweep_finds_the_allocation_that_may_not_fail() -> None:
    part = played(f"{WRONG}:Greedy", "low-resources-sweep")["low-resources-sweep"]
    assert (part.result, part.runs > 1) == ("failed", True)
    assert part.error is not None
    assert "with allocation 1 failing at " in part.error


def test_a_sweep_of_a_driver_that_copes_counts_its_runs() -> None:
    part = played("loopback", "low-resources-sweep")["low-resources-sweep"]
    assert (part.result, part.runs > 1) == ("pass", True)
