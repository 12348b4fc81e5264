"""A tracer: writes down every frame that passes, and alters nothing."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from nodes.crossings.crossing import Op
from nodes.ndis import Filter, FilterModule
from nodes.options import Choice, OutputFile, Quantity
from nodes.packets.chain import NblChain
from nodes.status import Status
from nodes.stock.capture_file import CaptureFile
from nodes.stock.frame_rows import frame_rows

DIRECTIONS = {"down": {Op.SEND}, "up": {Op.INDICATE}, "both": {Op.SEND, Op.INDICATE}}


@dataclass(frozen=True)
class TracerOptions:
    """What is written, and where to."""

    write: Annotated[str, OutputFile("capture")] = field(
        default="{node}.pcapng", metadata={"help": "pcapng file to write; {node} stands for the node's name"}
    )
    direction: Annotated[str, Choice(("down", "up", "both"))] = field(
        default="both", metadata={"help": "down: what is sent; up: what is received"}
    )
    snaplen: Annotated[int, Quantity("bytes", maximum=65535)] = field(
        default=65535, metadata={"help": "bytes kept of each frame; 0 for all"}
    )


class Tracer(Filter):
    """Write sends and receives to a capture, each on an interface of its own, and pass them on untouched."""

    Options = TracerOptions

    def attach(self, module: FilterModule) -> None:
        """Open the capture; errors as for `CaptureFile`."""
        interfaces = [f"{self.name} down", f"{self.name} up"]
        self._capture = CaptureFile(self._node, self.options.write, interfaces, self.options.snaplen)
        self._traced = DIRECTIONS[self.options.direction]

    def pause(self) -> Status:
        """Hand what was written to the operating system."""
        self._capture.flush()
        return Status.SUCCESS

    def detach(self) -> None:
        """End the capture."""
        self._capture.close()

    def bypasses(self, op: Op) -> bool:
        """Return true also for a direction that is not traced."""
        return super().bypasses(op) or (op in {Op.SEND, Op.INDICATE} and op not in self._traced)

    def send_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        """Write sends and pass them down."""
        self._record(chain, Op.SEND)
        super().send_net_buffer_lists(chain, flags)

    def receive_net_buffer_lists(self, chain: NblChain, flags: int) -> None:
        """Write receives and pass them up."""
        self._record(chain, Op.INDICATE)
        super().receive_net_buffer_lists(chain, flags)

    def _record(self, chain: NblChain, op: Op) -> None:
        if op in self._traced:
            self._capture.write(chain, frame_rows(self._node.arena, chain), int(op is Op.INDICATE))
