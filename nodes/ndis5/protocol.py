"""NDIS 5 protocols: they see verdicts of sends, look ahead at receives and ask for the rest."""

from __future__ import annotations

from collections.abc import Set
from typing import ClassVar

from nodes.crossings.crossing import SYNCHRONOUS, Op, ReceiveFlags
from nodes.crossings.message import Message
from nodes.crossings.port import Port
from nodes.irql import Irql
from nodes.metrics import Counter
from nodes.ndis.binding import Binding
from nodes.ndis.protocol import Protocol
from nodes.ndis5.binding import Binding5, Lookahead, Verdict
from nodes.ndis5.packets import chain_of
from nodes.packets.chain import NblChain
from nodes.packets.net_buffer import Nbl
from nodes.status import Status


class Protocol5(Protocol):
    """An NDIS 5 protocol: sends on its bindings, and receives look-aheads or full packets.

    A packet sent or given for a transfer is the lower driver's while that pends (N5-TD-03). After a final status of
    `binding.send` it is this driver's again and no handler is called (N5-SND-07).
    """

    generation = 5
    binding_class: ClassVar[type[Binding]] = Binding5

    def send_complete(self, binding: Binding5, packet: Nbl, status: Status) -> None:
        """Take one packet back whose send pended (ProtocolSendComplete); by default free it.

        It may come before `binding.send` has returned (N5-SND-08).
        """
        self.free_packet(packet)

    def send_net_buffer_lists_complete(self, binding: Binding, chain: NblChain, flags: int) -> None:
        """Take packets back that NDIS refused, one by one (N5-SND-07)."""
        assert isinstance(binding, Binding5)
        for packet in chain:
            self.send_complete(binding, packet, Status(int(self._node.arena.status[packet.slot])))

    def free_packet(self, packet: Nbl) -> None:
        """Give a packet of this node's pool back to it (NdisFreePacket)."""
        self.free(chain_of([packet], self._node.custody))

    def receive(
        self, binding: Binding5, context: int, header: bytes, lookahead: bytes, packet_size: int
    ) -> Status:
        """Look at the first bytes of a received packet (ProtocolReceive): SUCCESS or NOT_RECOGNIZED.

        The rest, up to `packet_size` bytes behind the header, can be had by `binding.transfer_data` in here.
        """
        return Status.NOT_RECOGNIZED

    def transfer_data_complete(
        self, binding: Binding5, packet: Nbl, status: Status, bytes_transferred: int
    ) -> None:
        """Take a packet back whose transfer pended (ProtocolTransferDataComplete); by default free it.

        It may come before `binding.transfer_data` has returned (N5-TD-04), with fewer bytes than asked for (N5-TD-07).
        """
        self.free_packet(packet)

    def receive_complete(self, binding: Binding5) -> None:
        """Learn that a burst of indications is over (ProtocolReceiveComplete)."""

    def receive_packet(self, binding: Binding5, packet: Nbl, *, lent: bool) -> int:
        """Take a full packet (ProtocolReceivePacket); return 1 to keep it until `return_packets`, else 0.

        A packet that is not `lent` goes back as this returns and must be copied.
        """
        return 0

    def accept(self, port: Port, op: Op, chain: NblChain, flags: int) -> None:
        """Turn what arrived into handler calls, one for each packet, or into the verdict of a call that waits."""
        binding = self._by_port[port.index]
        assert isinstance(binding, Binding5)
        if op is Op.COMPLETE or op is Op.TRANSFER_DONE:
            for packet in chain:
                self._ended(binding, op, packet, synchronous=bool(flags & SYNCHRONOUS))
        elif op is Op.INDICATE and binding.running:
            self._received(binding, chain, flags)
        else:
            super().accept(port, op, chain, flags)

    def accept_message(self, port: Port, op: Op, message: Message) -> None:
        """Hand a look-ahead to the driver, at DISPATCH_LEVEL; a paused binding recognises nothing."""
        if op is not Op.LOOKAHEAD:
            super().accept_message(port, op, message)
            return
        binding = self._by_port[port.index]
        assert isinstance(binding, Binding5)
        status = Status.NOT_RECOGNIZED
        context, size, header, lookahead = message.body if len(message.body) == 4 else (0, 0, b"", b"")
        if binding.running and isinstance(header, bytes) and isinstance(lookahead, bytes):
            self._node.board.counters[Counter.RECEIVED] += 1
            self._node.board.counters[Counter.RECEIVED_BYTES] += int(size) + len(header)
            before, binding.current = binding.current, Lookahead(int(context), int(size))
            with self._node.irql.suspended():
                self._node.irql.enter(Irql.DISPATCH)
                status = self.receive(binding, int(context), header, lookahead, int(size))
                self._node.irql.settle()
            binding.current = before
        message.answer(status)

    def accept_notice(self, port: Port, op: Op, argument: int) -> None:
        """Take a verdict of PENDING, or the end of a burst."""
        binding = self._by_port[port.index]
        assert isinstance(binding, Binding5)
        if op is Op.VERDICT:
            binding.judged(argument, Verdict(Status.PENDING))
        elif op is Op.RECEIVE_COMPLETE:
            self.receive_complete(binding)
        else:
            super().accept_notice(port, op, argument)

    def awaited_verdicts(self, port: Port) -> Set[int]:
        """Return the handles of packets for whose verdict a call of this driver waits."""
        binding = self._by_port[port.index]
        return binding.awaited if isinstance(binding, Binding5) else frozenset()

    def broken(self, rule: str, handle: int) -> str:
        """Return what NDIS 5 calls a rule that this driver broke."""
        bindings = [binding for binding in self.bindings if isinstance(binding, Binding5)]
        if rule in ("N6-SEND-03", "N6-NBL-11") and any(handle in binding.transfers for binding in bindings):
            return "N5-TD-03"
        if rule in ("N6-SEND-03", "N6-NBL-11") and any(binding.pends(handle) for binding in bindings):
            return "N5-SND-07"
        held = self._node.custody.held
        kept = any(int(held[slot]) == one for binding in bindings for slot, one in binding.finals.items())
        return "N5-SND-07" if rule == "N6-NBL-12" and kept else rule

    def _ended(self, binding: Binding5, op: Op, packet: Nbl, *, synchronous: bool) -> None:
        arena = self._node.arena
        status, count = Status(int(arena.status[packet.slot])), 0
        if op is Op.TRANSFER_DONE:
            binding.transfers.discard(packet.handle)
            count = int(arena.due[packet.slot])
            arena.nb_length[packet.slot] = min(int(arena.nb_length[packet.slot]), count)
        if synchronous:
            binding.judged(packet.handle, Verdict(status, count))
        elif op is Op.TRANSFER_DONE:
            self.transfer_data_complete(binding, packet, status, count)
        else:
            self.send_complete(binding, packet, status)

    def _received(self, binding: Binding5, chain: NblChain, flags: int) -> None:
        self._node.board.counters[Counter.RECEIVED] += len(chain)
        self._node.board.counters[Counter.RECEIVED_BYTES] += int(chain.length.sum())
        lent = not flags & ReceiveFlags.RESOURCES
        for place, packet in enumerate(chain):
            kept = self.receive_packet(binding, packet, lent=lent)
            if lent and not kept:
                binding.return_packets(chain[place : place + 1])
