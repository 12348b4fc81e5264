"""Records travel as bytes and come back as they were; buffers of another size are refused."""

from __future__ import annotations

import pytest

from nodes.wan import records
from nodes.wan.records import MacLineUp, MalformedRecord, Record

KINDS = [
    kind
    for kind in vars(records).values()
    if isinstance(kind, type) and issubclass(kind, Record) and kind.FORMAT
]


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_can_be_read_back(kind: type[Record]) -> None:
    record = kind()
    assert kind.unpack(record.pack()) == record


def test_values_survive() -> None:
    line = MacLineUp(560, 1, 7, 0x10, 0x20, 0x30)
    assert MacLineUp.unpack(line.pack()) == line


@pytest.mark.parametrize("change", [-1, 1])
def test_a_buffer_of_another_size_is_refused(change: int) -> None:
    buffer = (MacLineUp().pack() + b"\0")[: len(MacLineUp().pack()) + change]
    with pytest.raises(MalformedRecord, match="MacLineUp"):
        MacLineUp.unpack(buffer)
