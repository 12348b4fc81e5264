"""Which jobs are for whom, and which rules they exercise."""

from __future__ import annotations

import pytest

from nodes.verifier.rules import Held, load_rules
from orchestrator.verify import JOBS, find_subjects, jobs_for
from orchestrator.verify.exercised import Operation, named_rules, rules_of

EVERY = {job.name for job in JOBS}
ASKED = {"oid-set", "oid-cancel"}
NOT_FOR = {
    "receiver": {"cancel-storm", *ASKED},
    "pass-through": {"early-completion"},
    "mux": set[str](),
    "miniport": {"early-completion", "pnp"},
    "ndiswan": {"early-completion"},
    "wan-miniport": {"early-completion", "pnp", *ASKED},
}


@pytest.mark.parametrize("driver", NOT_FOR)
def test_each_kind_plays_the_jobs_that_make_sense_for_it(driver: str) -> None:
    [subject] = find_subjects(driver)
    assert EVERY - {job.name for job in jobs_for(subject)} == NOT_FOR[driver]


@pytest.mark.parametrize("driver", NOT_FOR)
def test_every_job_makes_a_valid_topology(driver: str) -> None:
    [subject] = find_subjects(driver)
    for job in jobs_for(subject):
        topology = job.topology(subject, job.stack(subject), 4, 7)
        assert (topology.level, topology.seed) == (4, 7)
        assert "driver" in topology.nodes
        assert topology.force.nodes in ((), ("driver",))


def test_only_rules_that_can_be_caught_count_as_exercised() -> None:
    rules = load_rules()
    assert named_rules() <= rules.keys()
    for driver in NOT_FOR:
        [subject] = find_subjects(driver)
        for rule in rules_of(subject, Operation):
            assert rules[rule].held in (Held.CHECKED, Held.POLICY)


def test_rules_bind_by_what_was_done_and_by_whom() -> None:
    [nic] = find_subjects("miniport")
    [watch] = find_subjects("pass-through")
    assert "N6-SEND-10" in rules_of(nic, {Operation.SEND})
    assert "N6-SEND-10" not in rules_of(nic, {Operation.RECEIVE})
    assert "N6-SEND-10" not in rules_of(watch, {Operation.SEND})
    assert rules_of(watch, set()) == []
