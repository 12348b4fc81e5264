"""Bad input, given to the real command: one clear message, exit code 2, and nothing was started."""

from __future__ import annotations

from pathlib import Path

import pytest

from shm.segment import available
from tests.end_to_end.command import WEB, run

HEAD = "name: bad\nnodes:\n"
STACK = HEAD + "  bulk: {driver: traffic}\n  nic: {driver: miniport}\nbindings: [bulk -> nic]\n"
BOMB = "name: bad\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 7)
)

CASES = {
    "unknown driver": (
        STACK.replace("traffic", "trafic"),
        "{file}:3:18: nodes.bulk.driver: there is no driver 'trafic' (did you mean traffic?)",
    ),
    "cycle": (
        HEAD
        + "  bulk: {driver: traffic}\n  up: {driver: mux}\n  down: {driver: mux}\n  nic: {driver: miniport}\n"
        "bindings: [bulk -> up -> down -> nic, down -> up]\n",
        "{file}:7:39: bindings[1]: the bindings form a cycle: up -> down -> up (",
    ),
    "unbound miniport": (
        STACK.replace("bindings", "  spare: {driver: miniport}\nbindings"),
        "{file}:5:3: nodes.spare: the miniport is unbound: nothing is bound above it (",
    ),
    "name clash": (
        STACK.replace("bindings", "  nic: {driver: loopback}\nbindings"),
        "{file}:5:3: nodes.nic: the key 'nic' is written twice (first at line 4, column 3)",
    ),
    "bad unit": (
        STACK.replace("miniport", "miniport, link: 10Gpbs"),
        "{file}:4:33: nodes.nic.link: '10Gpbs' is not a rate (write e.g. 10Gbps)",
    ),
    "duplicate key": (
        STACK.replace("traffic", "traffic, size: 64, size: 128"),
        "{file}:3:37: nodes.bulk.size: the key 'size' is written twice (first at line 3, column 27)",
    ),
    "alias bomb": (BOMB + STACK, "more than 100000 values, aliases expanded (split the topology)"),
    "file over 1 MiB": (
        STACK + "#" * (1 << 20),
        "{file}: the topology file is larger than 1 MiB (",
    ),
    "not a topology": ("\N{SNOWMAN}: [", "{file}:"),
}


def assert_refused(file: Path, *said: str) -> str:
    """Check that a run never came to be; the leak check looks for segments, processes and run directories."""
    out = file.parent / "out"
    done = run(file, "--out", out)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("ndisim: ")
    assert "Traceback" not in done.stderr
    assert not out.exists()
    for text in said:
        assert text.format(file=file) in done.stderr
    return done.stderr


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_topology_is_told_with_place_and_cure(case: str, tmp_path: Path) -> None:
    text, said = CASES[case]
    file = tmp_path / "bad.ndisim.yml"
    file.write_text(text)
    assert_refused(file, said)


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    file = tmp_path / "bad.ndisim.yml"
    file.write_text(STACK.replace("traffic", "trafic").replace("miniport", "miniport, ring: 0, colour: red"))
    said = assert_refused(file, "'trafic'", "nodes.nic.ring", "nodes.nic.colour")
    assert len(said.splitlines()) == 3


def replayed(capture: Path) -> Path:
    file = capture.with_name("bad.ndisim.yml")
    file.write_text(STACK.replace("traffic", f"pcap-replay, file: {capture.name}"))
    return file


def test_a_capture_that_is_cut_short_names_the_packet_and_where_it_begins(tmp_path: Path) -> None:
    capture = tmp_path / "cut.pcapng"
    capture.write_bytes(WEB.read_bytes()[:100_000])
    assert_refused(
        replayed(capture),
        f"nodes.bulk.file: {capture}: packet 104 at byte offset 98740: the file is cut short: "
        "1548 bytes are needed here, 1260 are left; copy or record the file again",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"From: someone\nTo: someone else\n", "is not a capture (it starts with 46 72 6f 6d)"),
        (b"\x1f\x8b\x08\x00rest", "is compressed with gzip; decompress it first (gunzip)"),
        (b"", "is an empty file"),
        (WEB.read_bytes()[:24], "the file is cut short"),
    ],
)
def test_a_file_that_is_no_capture_is_refused(content: bytes, said: str, tmp_path: Path) -> None:
    capture = tmp_path / "foreign.pcap"
    capture.write_bytes(content)
    assert_refused(replayed(capture), f"nodes.bulk.file: {capture}: ", said)


def test_a_capture_of_another_link_type_is_refused(tmp_path: Path) -> None:
    capture = tmp_path / "wifi.pcap"
    header = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 69000000")
    capture.write_bytes(header + bytes.fromhex("00000000 00000000 04000000 04000000 80000000"))
    assert_refused(replayed(capture), "packet 1 at byte offset 24", "105")


def test_too_small_shared_memory_names_what_is_needed_and_what_is_there(tmp_path: Path) -> None:
    """Pools as large as a topology may write, and as many of them as it takes to exceed what is free."""
    packet, largest = 2048, 1 << 24
    count = available() // (packet * largest) + 1
    if count > 15:
        pytest.skip("/dev/shm is larger than any topology can ask for")
    file = tmp_path / "bad.ndisim.yml"
    names = [f"bulk{number}" for number in range(count)]
    nodes = "".join(f"  {name}: {{driver: traffic, pool: {largest}}}\n" for name in names)
    bound = ", ".join(f"{name} -> nic" for name in names)
    file.write_text(f"{HEAD}{nodes}  nic: {{driver: miniport}}\nbindings: [{bound}]\n")
    said = assert_refused(file, "the run needs ", " bytes of /dev/shm, ", " are free; make /dev/shm larger")
    needed, free = (int(word.replace(",", "")) for word in said.split() if word[0].isdigit())
    assert needed > free >= 0
