"""A shape is a topology without a file, for every command that takes one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from orchestrator.cli.app import cli
from orchestrator.drivers import Catalogue
from orchestrator.outcome import report_of
from orchestrator.run import launch
from orchestrator.stress.shapes import SHAPES, is_shape, shape_topology
from orchestrator.topology import Topology, TopologyError, dump_topology, parse_topology

HERE = Path.cwd()


def shape(text: str) -> Topology:
    return shape_topology(text, Catalogue())


def refused(text: str) -> str:
    with pytest.raises(TopologyError) as caught:
        shape(text)
    return str(caught.value)


def drivers(topology: Topology) -> list[str]:
    return [node.driver for node in topology.nodes.values()]


def test_a_linear_shape_has_its_filters_between_sender_and_nic() -> None:
    topology = shape("linear:filters=3")
    assert [(b.upper, b.lower) for b in topology.bindings] == [
        ("sender-1", "filter-1"),
        ("filter-1", "filter-2"),
        ("filter-2", "filter-3"),
        ("filter-3", "nic-1"),
    ]


def test_a_mux_has_as_many_senders_above_and_nics_below_as_asked_for() -> None:
    topology = shape("mux:above=64,below=2")
    assert [drivers(topology).count(driver) for driver in ("traffic", "mux", "miniport")] == [64, 1, 2]


def test_a_mesh_wires_its_stacks_in_pairs_and_leaves_none_without_a_receiver() -> None:
    topology = shape("mesh:stacks=5")
    assert [(wire.a, wire.b) for wire in topology.wires] == [
        ("nic-1", "nic-2"),
        ("nic-3", "nic-4"),
        ("nic-5", "far-nic-5"),
    ]
    assert drivers(topology).count("receiver") == 6


def test_a_mixed_shape_has_both_systems() -> None:
    assert {"miniport", "ndiswan", "wan-miniport", "traffic", "receiver"} <= set(drivers(shape("mixed")))


@pytest.mark.parametrize("name", SHAPES)
def test_each_shape_stands_for_a_file_and_carries_packets(name: str) -> None:
    topology = shape(name)
    assert parse_topology(dump_topology(topology), name, Catalogue(), HERE) == topology
    with launch(topology, mode="inline") as run:
        run.wait(0.12 if name in ("wan", "mixed") else 0.01)
        run.stop()
    report = report_of(run)
    assert (report.verdict, report.conservation.lost) == ("pass", 0)
    assert report.conservation.completed > 100


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mesk:stacks=2", "there is no shape 'mesk' (did you mean mesh?"),
        ("mux:abov=2", "mux: it has no parameter 'abov' (did you mean above?)"),
        (
            "mux:above=many",
            "mux.above: 'many' is not a whole number (write one from 1 to 1024, e.g. above=8)",
        ),
        ("mux:above=0", "mux.above: 0 is out of bounds (write one from 1 to 1024, e.g. above=8)"),
    ],
)
def test_a_wrong_shape_is_refused_with_a_hint(text: str, message: str) -> None:
    assert message in refused(text)


def test_a_file_that_exists_comes_before_a_shape(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_shape(Path("mux"))
    (tmp_path / "mux").touch()
    assert not is_shape(Path("mux"))
    assert not is_shape(Path("some/mux:above=2"))


def test_commands_that_read_a_file_take_a_shape_too() -> None:
    runner = CliRunner()
    assert runner.invoke(cli, ["validate", "mux:above=3"]).output == (
        "mux:above=3: valid: 5 nodes, 4 bindings, 0 wires\n"
    )
    assert "sender-1" in runner.invoke(cli, ["graph", "linear"]).output
    done = runner.invoke(cli, ["run", "linear", "--mode", "inline", "--packets", "50", "--quiet"])
    assert done.exit_code == 0
    assert "accepted 50 = completed 50" in done.output


def test_a_filter_below_several_drivers_tells_how_long_packets_stayed() -> None:
    with launch(shape("mesh:stacks=2"), mode="inline") as run:
        run.wait(0.005)
        run.stop()
    held = report_of(run).nodes["filter-1"].held_us
    assert held.p50 is not None
    assert held.max is not None
    assert 0 < held.p50 <= held.max < 5000
