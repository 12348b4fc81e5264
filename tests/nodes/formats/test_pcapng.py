from __future__ import annotations

import io
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pcapng import FileScanner

from nodes.formats.pcapng import PcapngWriter

needs_tshark = pytest.mark.skipif(
    shutil.which("tshark") is None, reason="tshark is not installed (Debian package tshark)"
)

packets = st.lists(
    st.tuples(st.integers(0, 2**64 - 1), st.binary(max_size=90), st.integers(0, 2**64 - 1)), max_size=40
)


def written(batch: list[tuple[int, bytes, int]], *, ids: bool = False, **options: Any) -> bytes:
    """Write one batch through an in-memory file and return the file's bytes."""
    out = io.BytesIO()
    rows = np.full((len(batch), max((len(data) for _, data, _ in batch), default=0) + 3), 0xAA, np.uint8)
    for row, (_, data, _) in zip(rows, batch, strict=True):
        row[: len(data)] = np.frombuffer(data, np.uint8)
    lengths = np.array([len(data) for _, data, _ in batch], np.int64)
    times = np.array([time for time, _, _ in batch], np.uint64)
    packet_ids = np.array([number for _, _, number in batch], np.uint64) if ids else None
    with PcapngWriter(out, **options) as writer:
        writer.write(times, lengths, rows, packet_ids)
    return out.getvalue()


def blocks(file: bytes) -> list[Any]:
    with warnings.catch_warnings():
        # python-pcapng declares if_tsresol without a type and then warns about it itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        return list(FileScanner(io.BytesIO(file)))


@given(batch=packets, ids=st.booleans())
def test_another_reader_finds_every_packet_as_written(batch: list[tuple[int, bytes, int]], ids: bool) -> None:
    _, interface, *found = blocks(written(batch, ids=ids))

    assert interface.options["if_tsresol"] == b"\x09"
    assert [(p.timestamp_high << 32) + p.timestamp_low for p in found] == [time for time, _, _ in batch]
    assert [p.packet_data for p in found] == [data for _, data, _ in batch]
    assert [p.options.get("epb_packetid") for p in found] == [n if ids else None for _, _, n in batch]


@given(sizes=st.lists(st.sampled_from([0, 60, 61, 1514]), min_size=40, max_size=60))
def test_batches_of_few_sizes_keep_their_order(sizes: list[int]) -> None:
    batch = [(at, bytes([at]) * size, 0) for at, size in enumerate(sizes)]

    _, _, *found = blocks(written(batch))

    assert [p.packet_data for p in found] == [data for _, data, _ in batch]


def test_padding_is_zero_and_leaks_nothing_of_the_row() -> None:
    file = written([(0, b"\x11" * 61, 0)] * 20)

    assert file.count(b"\x11" * 61 + b"\0\0\0") == 20
    assert b"\xaa" not in file


def test_interfaces_have_names_link_type_and_snaplen() -> None:
    out = io.BytesIO()
    with PcapngWriter(out, interfaces=["nic0", "höhe"], link_type=147, snaplen=96) as writer:
        writer.write(np.array([1]), np.array([4]), np.zeros((1, 4), np.uint8), interface=1)

    _, first, second, packet = blocks(out.getvalue())
    assert (first.options["if_name"], second.options["if_name"]) == ("nic0", "höhe")
    assert (first.link_type, first.snaplen, packet.interface_id) == (147, 96, 1)


def test_a_packet_beyond_snaplen_is_cut_and_keeps_its_original_length() -> None:
    _, _, packet = blocks(written([(0, bytes(range(90)), 0)], snaplen=50))

    assert packet.packet_data == bytes(range(50))
    assert packet.packet_len == 90


def test_an_unlimited_snaplen_cuts_nothing() -> None:
    _, _, packet = blocks(written([(0, bytes(80), 0)], snaplen=0))

    assert len(packet.packet_data) == 80


def test_single_frames_and_batches_make_the_same_file() -> None:
    batch = [(at, bytes([at]) * at, 0) for at in range(1, 20)]
    out = io.BytesIO()
    with PcapngWriter(out) as writer:
        for time, data, _ in batch:
            writer.write_frame(time, data)

    assert out.getvalue() == written(batch)


def test_a_file_object_of_the_callers_stays_open() -> None:
    out = io.BytesIO()
    PcapngWriter(out).close()

    assert not out.closed


def test_a_path_is_closed_with_the_writer_and_closing_again_does_nothing(tmp_path: Path) -> None:
    writer = PcapngWriter(tmp_path / "empty.pcapng")
    writer.close()
    writer.close()

    assert len(blocks((tmp_path / "empty.pcapng").read_bytes())) == 2


def test_flushed_packets_can_be_read_while_the_file_is_open(tmp_path: Path) -> None:
    with PcapngWriter(tmp_path / "live.pcapng") as writer:
        writer.write_frame(1, b"x" * 60)
        writer.flush()
        assert len(blocks((tmp_path / "live.pcapng").read_bytes())) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lengths": np.array([5, 2])}, r"packet length 5 is outside 0\.\.4"),
        ({"lengths": np.array([-1, 2])}, "packet length -1"),
        ({"times_ns": np.array([1])}, r"arrays of different sizes \[1, 2\]"),
        ({"packet_ids": np.array([1], np.uint64)}, "arrays of different sizes"),
        ({"interface": 1}, "interface 1 is unknown"),
    ],
)
def test_a_batch_that_does_not_fit_is_refused_whole(change: dict[str, Any], message: str) -> None:
    out = io.BytesIO()
    writer = PcapngWriter(out)
    before = out.getvalue()
    batch: dict[str, Any] = {
        "times_ns": np.array([1, 2]),
        "lengths": np.array([4, 4]),
        "rows": np.zeros((2, 4), np.uint8),
    }

    with pytest.raises(ValueError, match=message):
        writer.write(**(batch | change))
    assert out.getvalue() == before


def test_a_capture_without_interfaces_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one interface"):
        PcapngWriter(io.BytesIO(), interfaces=[])


@needs_tshark
def test_tshark_and_capinfos_read_the_file_without_complaint(tmp_path: Path) -> None:
    path = tmp_path / "out.pcapng"
    path.write_bytes(written([(10**18 + at * 10**6, bytes(60 + at), at) for at in range(30)], ids=True))

    tshark = subprocess.run(
        ["tshark", "-r", path, "-T", "fields", "-e", "frame.time_epoch", "-e", "frame.packet_id"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tshark.stdout.splitlines()[29] == "1000000000.029000000\t29"
    stat = subprocess.run(["tshark", "-r", path, "-q", "-z", "io,stat,0"], capture_output=True, check=True)
    assert b"|     30 |" in stat.stdout, stat.stdout.decode()
    if shutil.which("capinfos"):
        subprocess.run(["capinfos", path], capture_output=True, check=True)
