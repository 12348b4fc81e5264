"""CoNDIS WAN links: windows per VC, both ways to change them, and the completion that belongs to them."""

from __future__ import annotations

import pytest

from nodes.ndis import Adapter
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.wan.condis import CoWanMiniport
from nodes.wan.records import WanFragment
from tests.wan_layers import Stack

VC = 0x51


class CoLine(CoWanMiniport):
    """Notes the NBLs it gets, by VC."""

    def initialize(self, adapter: Adapter) -> None:
        self.sent: list[tuple[int, NblChain]] = []

    def restart(self) -> None:
        self.adapter.activate_vc(VC, transmit_speed=1_000_000, max_send_window=3)

    def co_send_net_buffer_lists(self, vc: int, chain: NblChain, flags: int) -> None:
        self.sent.append((vc, chain))


@pytest.fixture
def stack() -> Stack:
    return Stack((CoLine, {}), fragment=0)


def line(stack: Stack) -> CoLine:
    return stack.bench.driver("line0", CoLine)


@pytest.mark.rule("WAN-CO-01")
def test_sends_go_by_vc_and_keep_its_window(stack: Stack) -> None:
    stack.send(5)
    assert [vc for vc, _ in line(stack).sent] == [VC] * 3


@pytest.mark.rule("WAN-CO-02", "WAN-CO-04")
def test_sends_are_completed_by_the_condis_call_and_reach_their_packets(stack: Stack) -> None:
    sent = stack.send(2)
    for number, (_, chain) in enumerate(line(stack).sent):
        assert chain.handles[0] not in sent
        chain.status = Status.FAILURE if number else Status.SUCCESS
        line(stack).adapter.co_send_net_buffer_lists_complete(chain)
    stack.settle()
    assert stack.top().back == [(sent[0], "SUCCESS"), (sent[1], "FAILURE")]
    assert stack.rules() == []


@pytest.mark.rule("WAN-CO-02")
def test_the_connectionless_completion_is_caught(stack: Stack) -> None:
    stack.send(1)
    [(_, chain)] = line(stack).sent
    chain.status = Status.SUCCESS
    line(stack).adapter.send_net_buffer_lists_complete(chain)
    stack.settle()
    assert stack.rules() == ["WAN-CO-02"]
    assert len(stack.top().back) == 1


@pytest.mark.rule("WAN-CO-03", "WAN-LNK-06")
def test_link_parameters_close_and_open_the_window(stack: Stack) -> None:
    line(stack).adapter.indicate_link_parameters(VC, transmit_speed=1_000_000, send_window=0)
    stack.settle()
    stack.send(4)
    assert line(stack).sent == []
    line(stack).adapter.indicate_link_parameters(VC, transmit_speed=2_000_000, send_window=2)
    stack.settle()
    assert len(line(stack).sent) == 2
    [link] = stack.wan.linkage.links
    assert link.speed == 2_000_000


@pytest.mark.rule("WAN-CO-03")
def test_errors_on_a_link_are_told_above(stack: Stack) -> None:
    line(stack).adapter.indicate_co_fragment(VC, 1)
    stack.settle()
    last = stack.top().indications[-1]
    assert last.code == Status.WAN_FRAGMENT
    assert WanFragment.unpack(last.buffer).errors == 1


def test_a_vc_that_is_deactivated_takes_no_more(stack: Stack) -> None:
    line(stack).adapter.deactivate_vc(VC)
    stack.settle()
    sent = stack.send(1)
    assert stack.top().back == [(sent[0], "FAILURE")]
