from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nodes.formats.captured import CapturedFramesError, load_frames
from nodes.formats.pcapng import PcapngWriter
from orchestrator.captures import Capture, CaptureError, CaptureInterface, read_capture

Packets = list[tuple[int, bytes]]

WEB = Path(__file__).parents[2] / "examples" / "captures" / "web.pcapng"
THREE: Packets = [(10**18 + at * 1000, bytes([at]) * (60 + at)) for at in range(3)]

packets_strategy = st.lists(
    st.tuples(st.integers(0, 2**63 - 1), st.binary(min_size=14, max_size=120)), min_size=1, max_size=20
)
# tmp_path is shared by all examples of a test, which only ever overwrite one file in it.
overwriting = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def pcap(
    packets: Packets, *, order: str = "<", tick_ns: int = 1000, link_type: int = 1, snaplen: int = 262144
) -> bytes:
    magic = 0xA1B2C3D4 if tick_ns == 1000 else 0xA1B23C4D
    out = struct.pack(order + "IHHiIII", magic, 2, 4, 0, 0, snaplen, link_type)
    for time_ns, data in packets:
        seconds, rest = divmod(time_ns, 10**9)
        out += struct.pack(order + "IIII", seconds, rest // tick_ns, len(data), len(data)) + data
    return out


def pcapng(packets: Packets, *, interfaces: tuple[str, ...] = ("nic0",)) -> bytes:
    out = io.BytesIO()
    with PcapngWriter(out, interfaces=interfaces) as writer:
        for time_ns, data in packets:
            writer.write_frame(time_ns, data)
    return out.getvalue()


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(order + "I", 12 + len(body))
    return struct.pack(order + "I", kind) + length + body + length


def section(order: str = "<", major: int = 1) -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, major, 0, -1), order)


def interface(order: str = "<", options: bytes = b"", link_type: int = 1, snaplen: int = 0) -> bytes:
    return block(1, struct.pack(order + "HHI", link_type, 0, snaplen) + options, order)


def enhanced(
    ticks: int, data: bytes, order: str = "<", number: int = 0, original: int | None = None
) -> bytes:
    size = len(data) if original is None else original
    head = struct.pack(order + "IIIII", number, ticks >> 32, ticks & 0xFFFFFFFF, len(data), size)
    return block(6, head + data, order)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + value + bytes(-len(value) % 4)


def put(directory: Path, content: bytes) -> Path:
    path = directory / "in.cap"
    path.write_bytes(content)
    return path


def refused(directory: Path, content: bytes) -> CaptureError:
    with pytest.raises(CaptureError) as caught:
        read_capture(put(directory, content))
    return caught.value


def read_or_refusal(path: Path) -> Capture | CaptureError:
    try:
        return read_capture(path)
    except CaptureError as error:
        return error


def packets_of(capture: Capture) -> Packets:
    return [(int(time), capture.frame(at)) for at, time in enumerate(capture.times_ns)]


@overwriting
@given(packets=packets_strategy)
def test_what_the_writer_writes_is_read_back_identical(tmp_path: Path, packets: Packets) -> None:
    capture = read_capture(put(tmp_path, pcapng(packets)))

    assert packets_of(capture) == packets
    assert capture.interfaces == (CaptureInterface("nic0", 1, 65535),)


@overwriting
@given(packets=packets_strategy, order=st.sampled_from("<>"), tick_ns=st.sampled_from([1, 1000]))
def test_pcap_is_read_in_both_byte_orders_and_resolutions(
    tmp_path: Path, packets: Packets, order: str, tick_ns: int
) -> None:
    rounded = [(time % (2**32 * 10**9) // tick_ns * tick_ns, data) for time, data in packets]

    capture = read_capture(put(tmp_path, pcap(rounded, order=order, tick_ns=tick_ns)))

    assert packets_of(capture) == rounded
    assert (capture.link_type, capture.lengths.sum()) == (1, len(capture.data))


@pytest.mark.parametrize("order", ["<", ">"])
def test_pcapng_is_read_in_both_byte_orders_over_several_sections(tmp_path: Path, order: str) -> None:
    part = section(order) + interface(order) + enhanced(5, b"a" * 20, order) + block(5, bytes(12), order)
    other = section() + interface() + interface() + enhanced(6, b"b" * 21, number=1)

    capture = read_capture(put(tmp_path, part + other))

    assert packets_of(capture) == [(5000, b"a" * 20), (6000, b"b" * 21)]
    assert len(capture.interfaces) == 3


def test_an_obsolete_packet_block_is_read_too(tmp_path: Path) -> None:
    body = struct.pack("<HHIIII", 0, 0, 0, 9, 14, 14) + bytes(14)

    assert packets_of(read_capture(put(tmp_path, section() + interface() + block(2, body)))) == [
        (9000, bytes(14))
    ]


@pytest.mark.parametrize(
    ("resolution", "ticks", "time_ns"),
    [
        (3, 1_700_000_000_123, 1_700_000_000_123_000_000),
        (9, 1_700_000_000_123_456_789, 1_700_000_000_123_456_789),
        (12, 1_700_000_123_456_789, 1_700_000_123_456),
        (0x80 | 10, 1536, 1_500_000_000),
    ],
)
def test_times_keep_every_nanosecond_in_any_resolution(
    tmp_path: Path, resolution: int, ticks: int, time_ns: int
) -> None:
    described = interface(options=option(9, bytes([resolution])) + option(14, struct.pack("<q", 7)))

    capture = read_capture(put(tmp_path, section() + described + enhanced(ticks, bytes(14))))

    assert capture.times_ns.tolist() == [time_ns + 7_000_000_000]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is an empty file"),
        (b"\x1f\x8b\x08\x00rest", "compressed with gzip; decompress it first"),
        (b"\x28\xb5\x2f\xfdrest", "compressed with zstd"),
        (b"GIF89a", "is not a capture .it starts with 47 49 46 38.; name a pcap or pcapng file"),
        (pcap([]), "holds no packets"),
        (pcapng([]), "holds no packets"),
        (pcap([])[:20], "cut short within its header .20 of 24 bytes"),
        (b"\xd4\xc3\xb2\xa1\x07\x00" + bytes(18), r"has pcap version 7\.0"),
        (section(major=2), r"has pcapng version 2\.0"),
    ],
)
def test_a_file_that_is_no_usable_capture_is_named_with_cause_and_cure(
    tmp_path: Path, content: bytes, message: str
) -> None:
    error = refused(tmp_path, content)

    assert error.packet is None
    with pytest.raises(CaptureError, match=rf"in\.cap: .*{message}"):
        raise error


def test_a_missing_file_a_directory_and_a_too_large_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CaptureError, match="does not exist"):
        read_capture(tmp_path / "none.pcap")
    with pytest.raises(CaptureError, match="is not a regular file"):
        read_capture(tmp_path)
    path = put(tmp_path, pcap(THREE))
    size = path.stat().st_size
    assert len(read_capture(path, max_bytes=size)) == 3
    with pytest.raises(CaptureError, match=f"is larger than {size - 1} bytes"):
        read_capture(path, max_bytes=size - 1)


def test_a_cut_pcap_names_packet_and_offset(tmp_path: Path) -> None:
    third = 24 + (16 + 60) + (16 + 61)

    within_data = refused(tmp_path, pcap(THREE)[:-1])
    within_head = refused(tmp_path, pcap(THREE)[: third + 15])

    assert (within_data.packet, within_data.offset) == (3, third)
    assert str(within_data).endswith(
        f"in.cap: packet 3 at byte offset {third}: the file is cut short: 78 bytes are needed here,"
        " 77 are left; copy or record the file again"
    )
    assert (within_head.packet, within_head.offset) == (3, third)


def test_a_cut_pcapng_names_packet_and_offset(tmp_path: Path) -> None:
    file, third = pcapng(THREE), len(pcapng(THREE[:2]))

    for cut in range(third + 1, len(file)):
        error = refused(tmp_path, file[:cut])
        assert (error.packet, error.offset) == (3, third)
        assert "cut short" in error.cause


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (enhanced(0, bytes(96), original=1500), r"was snapped to 96 of 1500 bytes; record with .*-s 0"),
        (enhanced(0, bytes(96), original=95), "claims 96 captured of 95 original bytes"),
        (enhanced(0, bytes(65536)), r"is 65536 bytes long, outside 14\.\.65535; .*offload"),
        (enhanced(0, bytes(13)), "is 13 bytes long"),
        (enhanced(1 << 63, bytes(60)), "impossible time"),
        (enhanced(0, bytes(60), number=1), "names interface 1, which the file does not describe"),
        (block(3, struct.pack("<I", 60) + bytes(60)), "has no time .a Simple Packet Block."),
        (block(6, bytes(8)), "block ends before its content does"),
        (block(6, struct.pack("<IIIII", 0, 0, 0, 90, 90) + bytes(60)), "cannot be decoded"),
        (struct.pack("<II", 6, 13) + bytes(20), "claims the impossible length 13"),
        (struct.pack("<III", 6, 12, 16), "two lengths differ: 12 and 16"),
        (section()[:8] + b"\0\0\0\0" + section()[12:], "no byte-order mark"),
    ],
)
def test_a_bad_pcapng_packet_is_named_with_its_place(tmp_path: Path, bad: bytes, message: str) -> None:
    good = section() + interface() + enhanced(0, bytes(60))

    error = refused(tmp_path, good + bad)

    assert error.offset == len(good)
    assert error.packet in (2, None)
    with pytest.raises(CaptureError, match=message):
        raise error


@pytest.mark.parametrize(
    ("options", "message"),
    [(option(9, b""), "empty time resolution"), (option(2, b"\xff\xfe"), "cannot be decoded")],
)
def test_a_bad_interface_is_named_with_its_place(tmp_path: Path, options: bytes, message: str) -> None:
    error = refused(tmp_path, section() + interface(options=options) + enhanced(0, bytes(60)))

    assert error.offset == len(section())
    assert message in error.cause


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pcap(THREE, link_type=113), r"link type 113 \(Linux cooked\), only Ethernet \(1\)"),
        (section() + interface(link_type=127) + enhanced(0, bytes(60)), r"link type 127 \(802.11 radiotap\)"),
        (pcap(THREE, snaplen=59), "claims 60 bytes, more than the snap length of 59"),
        (section() + interface(snaplen=59) + enhanced(0, bytes(60)), "more than the snap length of 59"),
        (pcap([])[:24] + struct.pack("<IIII", 1, 10**6, 60, 60) + bytes(60), "impossible time"),
        (pcap([])[:24] + struct.pack("<IIII", 1, 0, 2**31, 2**31), "more than the snap length of 262144"),
        (pcap([])[:24] + struct.pack("<IIII", 1, 0, 60, 61) + bytes(60), "snapped to 60 of 61 bytes"),
    ],
)
def test_a_packet_that_cannot_be_replayed_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    error = refused(tmp_path, content)

    assert error.packet == 1
    with pytest.raises(CaptureError, match=message):
        raise error


@overwriting
@given(
    file=st.sampled_from([pcap(THREE), pcap(THREE, order=">", tick_ns=1), pcapng(THREE)]),
    keep=st.integers(0, 2000),
    flips=st.lists(st.tuples(st.integers(0, 2000), st.integers(1, 255)), max_size=4),
)
def test_a_damaged_file_is_read_or_refused_and_nothing_else(
    tmp_path: Path, file: bytes, keep: int, flips: list[tuple[int, int]]
) -> None:
    damaged = bytearray(file[:keep])
    for at, mask in flips:
        if damaged:
            damaged[at % len(damaged)] ^= mask

    outcome = read_or_refusal(put(tmp_path, bytes(damaged)))

    if isinstance(outcome, CaptureError):
        assert outcome.offset is None or 0 <= outcome.offset <= len(damaged)
        assert str(outcome).endswith(outcome.cure)
    else:
        assert outcome.lengths.sum() == len(outcome.data) <= len(damaged)


@overwriting
@given(
    kinds=st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 4, 5, 6, 10, 0x0A0D0D0A]), st.binary(max_size=60)), max_size=6
    )
)
def test_well_framed_nonsense_is_read_or_refused_and_nothing_else(
    tmp_path: Path, kinds: list[tuple[int, bytes]]
) -> None:
    file = section() + interface() + b"".join(block(kind, body) for kind, body in kinds)

    read_or_refusal(put(tmp_path, file))


def test_frames_saved_for_a_node_are_loaded_identical(tmp_path: Path) -> None:
    capture = read_capture(put(tmp_path, pcapng(THREE)))
    capture.save(tmp_path / "frames.npz")

    loaded = load_frames(tmp_path / "frames.npz")

    assert len(loaded) == 3
    assert [(int(t), loaded.frame(at)) for at, t in enumerate(loaded.times_ns)] == THREE


def test_a_file_that_holds_no_saved_frames_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "frames.npz"
    good = read_capture(put(tmp_path, pcapng(THREE)))
    good.save(path)
    whole = path.read_bytes()

    for content in (b"", b"noise", whole[:-1], whole[: len(whole) // 2], whole[40:]):
        path.write_bytes(content)
        with pytest.raises(CapturedFramesError, match="does not hold captured frames"):
            load_frames(path)


@pytest.mark.parametrize(
    "change",
    [
        {"offsets": np.array([0, 60, 122])},
        {"offsets": np.array([-1, 60, 121])},
        {"lengths": np.array([60, 61, 2**62])},
        {"lengths": np.array([60, 61])},
        {"times_ns": np.zeros(3)},
    ],
)
def test_saved_frames_that_reach_outside_their_data_are_refused(
    tmp_path: Path, change: dict[str, np.ndarray]
) -> None:
    capture = read_capture(put(tmp_path, pcapng(THREE)))
    arrays = {name: getattr(capture, name) for name in ("data", "offsets", "lengths", "times_ns")}
    np.savez(tmp_path / "frames.npz", **(arrays | change))

    with pytest.raises(CapturedFramesError, match="outside its data"):
        load_frames(tmp_path / "frames.npz")


def test_the_shipped_capture_is_small_and_replayable() -> None:
    capture = read_capture(WEB)

    assert WEB.stat().st_size <= 300_000
    assert len(capture) > 50
    assert capture.lengths.max() <= 1514
    assert (np.diff(capture.times_ns) >= 0).all()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (Debian package tshark)")
def test_the_shipped_capture_holds_whole_http_and_dns_exchanges() -> None:
    def count(display_filter: str) -> int:
        checks = [
            "-o",
            "ip.check_checksum:TRUE",
            "-o",
            "tcp.check_checksum:TRUE",
            "-o",
            "udp.check_checksum:TRUE",
        ]
        command = ["tshark", "-r", str(WEB), *checks, "-Y", display_filter]
        return len(subprocess.run(command, capture_output=True, check=True).stdout.splitlines())

    assert count("http.request") == count("http.response") > 0
    assert count("dns.flags.response == 0") == count("dns.flags.response == 1") > 0
    assert count("http.response.code == 404") == 1
    assert count("ip.checksum.status == 0 or tcp.checksum.status == 0 or udp.checksum.status == 0") == 0
    assert count("_ws.malformed or tcp.analysis.lost_segment") == 0
