"""What binds filters beside the ways of packets: pairs of handlers, packets of their own, the loop-back flag."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from nodes.crossings.crossing import Op, SendFlags
from nodes.status import Status

if TYPE_CHECKING:
    from nodes.driver import Driver
    from nodes.node import Node
    from nodes.packets.chain import NblChain

PAIRS = (
    ("oid_request", "oid_request_complete"),
    ("direct_oid_request", "direct_oid_request_complete"),
)
"""Handlers that a filter has both or neither of (N6-FLT-01)."""


class HandlerMissing(TypeError):
    """A filter lacks one of two handlers that come as a pair; write it, or leave the other out too."""


def overrides(driver: type[Driver], base: type[Driver], name: str) -> bool:
    """Return whether a class has a handler of its own under this name."""
    return getattr(driver, name, None) is not getattr(base, name, None)


def check_pairs(driver: type[Driver], base: type[Driver]) -> None:
    """Raise HandlerMissing when a filter class has one handler of a pair only (N6-FLT-01).

    A filter that originates packets needs the handler that takes them back, else its own would be passed on as
    another's: `send_net_buffer_lists_complete` for sends, or `return_net_buffer_lists` for receives.
    """
    own = partial(overrides, driver, base)
    for ask, answer in PAIRS:
        if own(answer) and not own(ask):
            raise HandlerMissing(f"{driver.__name__} has {answer}, but not {ask} (N6-FLT-01)")
    takes_back = own("send_net_buffer_lists_complete") or own("return_net_buffer_lists")
    if driver.originates and not takes_back:
        text = "send_net_buffer_lists_complete nor return_net_buffer_lists"
        raise HandlerMissing(f"{driver.__name__} originates packets, but has neither {text} (N6-FLT-01)")


def check_loopback(node: Node, chain: NblChain, flags: int) -> None:
    """Report sends that a filter passes on without the loop-back flag that they came with (N6-FLT-06)."""
    loops = node.custody.duties.loops
    lost = [handle for handle in chain.handles.tolist() if handle in loops]
    loops.difference_update(lost)
    if lost and not flags & SendFlags.CHECK_FOR_LOOPBACK:
        text = f"{len(lost)} sends were passed on without CHECK_FOR_LOOPBACK, which they came with"
        node.complain("N6-FLT-06", lost[0], text)


class OwnPackets:
    """The packets that a filter originates, told from those that it passes on: chains arrive mixed."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def kept(self, chain: NblChain, rule: str, act: str) -> NblChain:
        """Return the packets of others; own ones among them are reported as `rule` and stay with the filter."""
        own = ~self._node.custody.duties.foreign(chain.handles)
        for handle in chain.handles[own].tolist():
            self._node.complain(rule, handle, f"packet {handle:#018x} is the filter's own, and was {act}")
        return chain[~own] if own.any() else chain

    def sent(self, chain: NblChain) -> NblChain:
        """Return what may be sent: own packets only while the module is not paused (N6-PNP-10); others come back."""
        if self._node.lifecycle.indicating:
            return chain
        own = ~self._node.custody.duties.foreign(chain.handles)
        if not own.any():
            return chain
        self._node.complain(
            "N6-PNP-10", int(chain.handles[own][0]), "a paused filter sent a packet of its own"
        )
        part = chain[own]
        part.status = Status.PAUSED
        self.refused(part)
        return chain[~own]

    def refused(self, chain: NblChain) -> NblChain:
        """Hand own packets that found no room to the filter's complete handler, later; return those of others."""
        own = ~self._node.custody.duties.foreign(chain.handles)
        part = chain[own]
        if len(part):
            driver = self._node.driver
            self._node.defer(lambda: driver.accept(self._node.ports[0], Op.COMPLETE, part, 0))
        return chain[~own]

    def indicated(self, chain: NblChain) -> NblChain:
        """Return what may be indicated: own packets not while paused, and only with a return handler (N6-FLT-01)."""
        own = ~self._node.custody.duties.foreign(chain.handles)
        paused = not self._node.lifecycle.indicating
        if not own.any() or not (paused or self._node.driver.bypasses(Op.RETURN)):
            return chain
        rule, which = (
            ("N6-PNP-10", "paused filter") if paused else ("N6-FLT-01", "filter without a return handler")
        )
        self._node.complain(rule, int(chain.handles[own][0]), f"a {which} indicated a packet of its own")
        self._node.free(chain[own])
        return chain[~own]
