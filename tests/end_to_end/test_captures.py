"""A real capture through the stack and out again: the same frames, byte for byte."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

from orchestrator.captures import Capture, read_capture
from tests.end_to_end.command import EXAMPLES, QUICKSTART, WEB, report_of, run

STACK = """\
name: replayed
nodes:
  replay: {{driver: pcap-replay, file: {file}, {options}}}
  nic0:   {{driver: miniport, pad: {pad}}}
  nic1:   {{driver: miniport}}
  sink:   {{driver: receiver, write: received.pcapng}}
bindings: [replay -> nic0, sink -> nic1]
wires:
  - {{between: [nic0, nic1], latency: 5us}}
pass: [lost == 0, violations == 0, in_flight == 0]
"""


def frames_of(capture: Capture) -> list[bytes]:
    octets = capture.data.tobytes()
    spans = zip(capture.offsets.tolist(), capture.lengths.tolist(), strict=True)
    return [octets[start : start + length] for start, length in spans]


def as_pcap(capture: Capture, path: Path) -> Path:
    """Write a capture as classic pcap with times in ns."""
    with path.open("wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for time_ns, frame in zip(capture.times_ns.tolist(), frames_of(capture), strict=True):
            file.write(struct.pack("<IIII", *divmod(time_ns, 10**9), len(frame), len(frame)) + frame)
    return path


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_the_quickstart_hands_on_every_frame_of_the_capture_unchanged(mode: str, tmp_path: Path) -> None:
    done = run(QUICKSTART, "--mode", mode, "--packets", 1000, "--out", tmp_path, "--format", "json")
    report = report_of(done)
    assert (report.nodes["sink"].counters["foreign"], report.received.frames) == (228, 1228)
    assert frames_of(read_capture(tmp_path / "received.pcapng")) == frames_of(read_capture(WEB))


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_a_classic_pcap_is_replayed_just_as_well(mode: str, tmp_path: Path) -> None:
    sent = read_capture(WEB)
    as_pcap(sent, tmp_path / "web.pcap")
    file = tmp_path / "replayed.ndisim.yml"
    file.write_text(STACK.format(file="web.pcap", options="timing: fast", pad="false"))
    report = report_of(run(file, "--mode", mode, "--out", tmp_path / "out", "--format", "json"))
    assert (report.verdict, report.ended) == ("pass", "done")
    received = read_capture(tmp_path / "out" / "received.pcapng")
    assert frames_of(received) == frames_of(sent)


def test_short_frames_are_padded_with_zeros_by_the_nic_that_sends_them(tmp_path: Path) -> None:
    file = tmp_path / "replayed.ndisim.yml"
    file.write_text(STACK.format(file=WEB, options="timing: fast", pad="true"))
    run(file, "--mode", "inline", "--out", tmp_path / "out")
    sent = frames_of(read_capture(WEB))
    assert min(map(len, sent)) < 60
    received = read_capture(tmp_path / "out" / "received.pcapng")
    assert frames_of(received) == [frame.ljust(60, b"\0") for frame in sent]


def test_original_timing_is_kept_to_the_nanosecond_on_virtual_time(tmp_path: Path) -> None:
    file = tmp_path / "replayed.ndisim.yml"
    file.write_text(STACK.format(file=WEB, options="timing: original", pad="false"))
    report = report_of(run(file, "--mode", "inline", "--out", tmp_path / "out", "--format", "json"))
    times = read_capture(WEB).times_ns
    length_s = float(times.max() - times.min()) / 1e9
    assert length_s <= report.run.duration_s < length_s + 0.01
    arrived = np.diff(read_capture(tmp_path / "out" / "received.pcapng").times_ns)
    assert (arrived >= 0).all()


@pytest.mark.skipif(shutil.which("tshark") is None, reason="tshark is not installed (apt-get install tshark)")
def test_tshark_reads_what_was_received_and_sees_the_same_protocols(tmp_path: Path) -> None:
    run(QUICKSTART, "--packets", 500, "--out", tmp_path)
    seen = [tshark(path) for path in (WEB, tmp_path / "received.pcapng")]
    assert seen[0] == seen[1]
    assert len(seen[1]) == 228
    run(EXAMPLES / "lossy-wire.ndisim.yml", "--packets", 100, "--out", tmp_path)
    assert len(tshark(tmp_path / "sent.pcapng")) == 100


def tshark(capture: Path) -> list[str]:
    """Return protocol and summary of each packet; tshark must have nothing to complain of."""
    command = ["tshark", "-r", str(capture), "-T", "fields", "-e", "_ws.col.Protocol", "-e", "_ws.col.Info"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=True)
    complaints = [line for line in done.stderr.splitlines() if "Running as user" not in line]
    assert complaints == []
    return done.stdout.splitlines()
