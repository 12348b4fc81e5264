"""The links below an NDISWAN node: which are up, how fast, how much may be outstanding on each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from nodes.crossings.port import Port
from nodes.wan.records import SPEED_UNIT, CoLinkParameters, MacLineUp, WanInfo

MAX_PADDING = 512
"""Head and tail room that a WAN miniport may ask for together, in bytes."""
MIN_FRAME_SIZE = 64


def usable(info: WanInfo) -> bool:
    """Return whether WAN packets can be made as a miniport wants them."""
    return (
        info.header_padding + info.tail_padding <= MAX_PADDING
        and info.max_frame_size >= MIN_FRAME_SIZE
        and info.max_transmit > 0
    )


@dataclass(eq=False)
class Link:
    """One link that is up.

    `handle` is the miniport's name for it, which sends bear (WAN-SND-12), `context` NDISWAN's, which indications bear;
    `speed` in bit/s, `free_at` when all that was given to it will have left (ns, an estimate), `load` how long all of
    that takes together (ns).
    `held` says that nothing may be sent on it for now.
    """

    port: Port
    handle: int
    context: int
    info: WanInfo
    speed: int = 0
    quality: int = 0
    window: int = 0
    outstanding: int = 0
    free_at: int = 0
    load: int = 0
    held: bool = False

    @property
    def room(self) -> int:
        """Return how many more packets may be outstanding now (WAN-SND-05)."""
        return 0 if self.held else min(self.window - self.outstanding, self.port.room())

    def line_up(self, record: MacLineUp) -> None:
        """Take speed, quality and window of a line-up, the first or a later one (WAN-LNK-03).

        A window of 0 stands for MaxTransmit (WAN-LNK-05).
        """
        self.speed = record.link_speed * SPEED_UNIT
        self.quality = record.quality
        self.window = record.send_window or self.info.max_transmit

    def link_parameters(self, record: CoLinkParameters) -> None:
        """Take speed and window of a CoNDIS link; a window of 0 is closed (WAN-LNK-06, WAN-CO-03)."""
        self.speed = record.transmit_speed * 8
        self.window = record.send_window

    def book(self, length: int, now: int) -> None:
        """Note that a packet of `length` bytes is about to be sent."""
        self.outstanding += 1
        self.load += self.duration(length)
        self.free_at = max(self.free_at, now) + self.duration(length)

    def unbook(self, length: int) -> None:
        """Take a booking back: the packet is not sent."""
        self.outstanding -= 1
        self.load -= self.duration(length)
        self.free_at -= self.duration(length)

    def duration(self, length: int) -> int:
        """Return how long a packet of `length` bytes occupies the line, ns; 0 when its speed is unknown."""
        return length * 8_000_000_000 // self.speed if self.speed else 0


class Links:
    """The links that are up, by context."""

    def __init__(self, spread: str = "soonest") -> None:
        """Spread packets ``soonest`` or by ``weights``; see `choose`."""
        self._by_weights = spread == "weights"
        self._by_context: dict[int, Link] = {}

    def __iter__(self) -> Iterator[Link]:
        return iter(self._by_context.values())

    def __len__(self) -> int:
        return len(self._by_context)

    def get(self, context: int) -> Link | None:
        """Return the link of a context, None when none is up under it."""
        return self._by_context.get(context)

    def add(self, link: Link) -> None:
        """Count a link in; it need not catch up with the load that others have had."""
        link.load = max((other.load for other in self), default=0)
        self._by_context[link.context] = link

    def remove(self, context: int) -> Link | None:
        """Count a link out; None when none is up under this context."""
        return self._by_context.pop(context, None)

    @property
    def speed(self) -> int:
        """Return the speed of all links together, bit/s."""
        return sum(link.speed for link in self)

    @property
    def padding(self) -> tuple[int, int]:
        """Return the head and tail room that suits every link, in bytes (WAN-SND-04)."""
        return (
            max((link.info.header_padding for link in self), default=0),
            max((link.info.tail_padding for link in self), default=0),
        )

    @property
    def max_frame_size(self) -> int:
        """Return the longest frame that every link takes, in bytes; 0 without links."""
        return min((link.info.max_frame_size for link in self), default=0)

    def choose(self, length: int, now: int) -> Link | None:
        """Return the link for a packet of `length` bytes; None when it has to wait for room.

        By `soonest` it is the link with room on which the packet would have left first. By `weights` links take turns
        in proportion to their speeds, whatever the time, and one whose turn it is is waited for.
        """
        fitting = [link for link in self if link.info.max_frame_size >= length and not link.held]
        if self._by_weights:
            link = min(
                fitting, key=lambda link: (link.load + link.duration(length), link.context), default=None
            )
            return link if link is not None and link.room > 0 else None
        open_links = [link for link in fitting if link.room > 0]
        return min(open_links, key=lambda link: max(link.free_at, now) + link.duration(length), default=None)
