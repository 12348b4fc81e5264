"""ndisim's own rows: real nodes do the whole job, checked as its peers are."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nodes.ndis import Adapter
from nodes.packets.chain import NblChain
from nodes.status import Status
from orchestrator.bench.contenders import chosen, contenders
from orchestrator.bench.drivers import BenchBottom, BenchSender
from orchestrator.bench.peers.ndisim import NdisimContender
from orchestrator.bench.runs import RunUseless, figures
from orchestrator.bench.topologies import layer, silent, stack
from orchestrator.bench.work import Job, Load
from orchestrator.topology.model import Topology


class LazyBottom(BenchBottom):
    """Complete without a look."""

    def send_net_buffer_lists(self, adapter: Adapter, chain: NblChain, flags: int) -> None:
        chain.status = Status.SUCCESS
        adapter.send_net_buffer_lists_complete(chain)


class LazyContender(NdisimContender):
    def _topology(self, load: Load) -> Topology:
        topology = super()._topology(load)
        nodes = {**topology.nodes, "bottom": layer(LazyBottom)}
        return stack(nodes, depth=load.window)


@pytest.mark.parametrize("name", ["ndisim", "ndisim-coalesce"])
@pytest.mark.parametrize("job", list(Job))
@pytest.mark.parametrize("chain", [1, 48, 512])
def test_every_packet_arrives_is_read_and_comes_back(name: str, job: Job, chain: int) -> None:
    result = contenders()[name].run(Load(job, chain, packets=9_600, seconds=5.0))
    assert result.fault is None
    assert result.packets == max(1, 9_600 // chain) * chain
    assert result.pps > 0


def test_a_run_ends_when_its_time_is_over() -> None:
    result = NdisimContender().run(Load(Job.PAIR, 32, packets=1 << 40, seconds=0.05))
    assert result.fault is None
    assert result.packets > 0


def test_a_bottom_that_does_not_read_is_reported_and_not_timed() -> None:
    result = LazyContender("lazy").run(Load(Job.RELAY, 32, packets=640, seconds=1.0))
    assert result.fault == "sent 640 packets, read 0, completed 640"
    assert result.pps == 0.0


def test_a_run_that_does_not_end_in_time_gives_no_figure(tmp_path: Path) -> None:
    endless = layer(BenchSender, packets=1 << 40, limit=60_000_000_000)
    with pytest.raises(RunUseless, match=r"not all packets were back after 0\.1 s"):
        figures(stack({"sender": endless, "bottom": layer(BenchBottom)}, depth=4096), tmp_path, 0.1)


@pytest.mark.parametrize("count", [2, 5, 7, 20, 23])
def test_a_silent_topology_has_as_many_nodes_as_asked_for(count: int) -> None:
    topology = silent(count)
    assert len(topology.nodes) == count
    assert not any(dataclasses.asdict(node.options).get("packets") for node in topology.nodes.values())


def test_each_level_asked_for_has_rows_of_its_own() -> None:
    assert [one.name for one in chosen(["ndisim"], [0, 2])] == ["ndisim-verify-0", "ndisim"]
    assert [one.name for one in chosen(["queue", "ndisim-coalesce"], [4])] == [
        "ndisim-coalesce-verify-4",
        "queue",
    ]
