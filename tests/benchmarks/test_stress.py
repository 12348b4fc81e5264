"""`ndisim bench stress`: rows and aims; how fast anything is, is not a test's business."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner

from orchestrator.bench import stress as stress_runs
from orchestrator.bench.aims import length_aims, peer_aims, sender_aims
from orchestrator.bench.commands import bench
from orchestrator.bench.contenders import contenders
from orchestrator.bench.stress import Sending, length_row, send_together, sender_row
from orchestrator.bench.stress_command import PEERS
from orchestrator.bench.work import Job, Load


def found_by(*arguments: str) -> dict[str, list[dict[str, Any]]]:
    outcome = CliRunner().invoke(bench, ["stress", *arguments, "--format", "json"], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(outcome.stdout)
    return found


def test_one_and_many_senders_take_turns_and_are_judged() -> None:
    found = found_by("--jobs", "senders", "--senders", "3", "--seconds", "0.3", "--repeat", "1")
    assert [(row["senders"], row["fault"]) for row in found["senders"]] == [(1, None), (3, None)]
    assert found["senders"][0]["of_one"] == 1
    assert all(row["pps"] > 0 and 0 < row["jain"] <= 1 for row in found["senders"])
    assert [aim["wanted"] for aim in found["aims"]] == ["at least 0.6", "at least 0.95", "at most 1"]


def test_a_long_run_is_compared_with_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stress_runs, "SHORT_SECONDS", 0.3)
    monkeypatch.setattr(stress_runs, "LOOK_SECONDS", 0.1)
    said: list[str] = []
    row = length_row(0.5, said.append)
    assert row["fault"] is None
    assert row["rss_mib"] > 10
    assert row["of_10s"] == pytest.approx(row["pps"] / row["pps_10s"], rel=0.01)
    assert [line.split(":")[0] for line in said] == ["0.3 s", "0.5 s", "0.3 s"]


def test_a_run_that_broke_is_void_and_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stress_runs, "over_one_mux", lambda senders: _refuse())
    sending = send_together(2, 0.1)
    assert sending.fault == "no memory"
    row = sender_row([sending], [Sending(1, 100.0, 1.0)])
    assert row["fault"] == "no memory"
    assert list(sender_aims([row])) == []
    assert list(length_aims([{"seconds": 1.0, "fault": "no memory"}])) == []


def _refuse() -> None:
    raise OSError("no memory")


def test_an_aim_is_met_from_its_bound_on() -> None:
    rows = [{"senders": 64, "of_one": 0.6, "jain": 0.949, "starved_s": 1.0, "fault": None}]
    assert [aim.met for aim in sender_aims(rows)] == [True, False, True]


def test_peers_are_judged_in_their_job_only_and_where_they_ran() -> None:
    def row(job: str, peer: str, pps: int, fault: str | None = None) -> dict[str, Any]:
        return {"job": job, "chain": 32, "peer": peer, "pps": pps, "fault": fault}

    rows = [row("stack", "ndisim", 300), row("stack", "simpy", 10), row("pair", "ndisim", 50)]
    [aim] = peer_aims([*rows, row("pair", "helics", 0, "gone")])
    assert (aim.measured, aim.met) == (30, True)


def test_a_missing_simulator_is_named_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.bench.peers.base.find_spec", lambda name: None)
    monkeypatch.setitem(PEERS, "stack", ("simpy",))
    outcome = CliRunner().invoke(bench, ["stress", "--jobs", "stack"])
    assert "simpy is missing: pip install 'ndisim[bench]'" in outcome.stderr
    assert outcome.exit_code == 0


def test_an_interrupt_leaves_the_jobs_that_were_done(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(job: Job, repeat: int) -> None:
        raise KeyboardInterrupt

    row = {"senders": 1, "pps": 9, "fault": None}
    monkeypatch.setattr("orchestrator.bench.stress_command._many", lambda *arguments: [row])
    monkeypatch.setattr("orchestrator.bench.stress_command._beside", interrupted)
    outcome = CliRunner().invoke(bench, ["stress", "--format", "json"])
    assert outcome.exit_code == 1
    assert json.loads(outcome.stdout) == {"senders": [row], "aims": []}


@pytest.mark.parametrize("arguments", [["--jobs", "senders,dinner"], ["--senders", "1"], ["--long", "soon"]])
def test_bad_options_exit_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(bench, ["stress", *arguments]).exit_code == 2


@pytest.mark.parametrize("name", ["simpy", "simpy-chain", "simpy-packet"])
def test_a_model_ends_after_its_packets(name: str) -> None:
    contender = contenders()[name]
    if cure := contender.missing():
        pytest.skip(f"{name} is missing: {cure}")
    result = contender.run(Load(Job.STACK, 32, packets=640, seconds=30.0, window=64))
    assert (result.packets, result.fault) == (640, None)
