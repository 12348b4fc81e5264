"""What is to be verified is found by name, by file or by class, and refused with the reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodes.hosting.loader import DriverLoadError
from orchestrator.drivers import UnknownDriver
from orchestrator.verify import NotVerifiable, find_subjects, jobs_for

HERE = Path(__file__).parent
WRONG = HERE / "drivers.py"
WEB = HERE.parents[2] / "examples" / "captures" / "web.pcapng"


def test_a_registered_name_is_one_driver() -> None:
    [mux] = find_subjects("mux")
    assert (mux.name, mux.kind, mux.generation, mux.medium, mux.wired) == (
        "mux",
        "intermediate",
        6,
        "ethernet",
        False,
    )


def test_a_file_is_all_drivers_in_it_and_a_class_one_of_them() -> None:
    names = {subject.name for subject in find_subjects(str(WRONG))}
    assert names == {"honest", "forgetful", "raising", "unready", "greedy", "nic5", "listener5"}
    [one] = find_subjects(f"{WRONG}:Nic5")
    assert (one.name, one.kind, one.generation) == ("nic5", "miniport", 5)


def test_a_class_of_an_installed_module_can_be_named() -> None:
    [honest] = find_subjects("tests.orchestrator.verify.drivers:Honest")
    assert honest.name == "honest"


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UnknownDriver, match="there is no driver 'mix'"):
        find_subjects("mix")
    with pytest.raises(DriverLoadError, match="has no class Nobody"):
        find_subjects(f"{WRONG}:Nobody")


def test_required_options_are_asked_for_and_unknown_ones_refused() -> None:
    with pytest.raises(NotVerifiable, match="cannot run without file; give --options file="):
        find_subjects("pcap-replay")
    with pytest.raises(NotVerifiable, match="mux has no option balanced"):
        find_subjects("mux", ["balanced=hash"])
    with pytest.raises(NotVerifiable, match="write key=value"):
        find_subjects("mux", ["balance"])


def test_options_are_read_as_a_topology_file_would() -> None:
    [replay] = find_subjects("pcap-replay", [f"file={WEB}", "loop=2"])
    assert replay.options == {"file": str(WEB), "loop": 2}


def test_an_option_that_the_driver_refuses_is_named() -> None:
    [nic] = find_subjects("miniport", ["link=fast"])
    job = jobs_for(nic)[0]
    with pytest.raises(NotVerifiable, match="miniport refuses its options: link: 'fast' is not a rate"):
        job.topology(nic, job.stack(nic), 4, 1)


def test_a_source_makes_as_many_as_the_job_says_unless_that_was_given() -> None:
    [traffic] = find_subjects("traffic")
    assert traffic.sending(40).options == {"packets": 40}
    [own] = find_subjects("traffic", ["packets=7"])
    assert own.sending(40).options == {"packets": 7}
