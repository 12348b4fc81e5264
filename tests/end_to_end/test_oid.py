"""OIDs of a live run, asked by the real command from another process, in both modes."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.command import LIMIT_S, QUICKSTART, ndisim, running


def asked(*arguments: str) -> dict[str, Any]:
    done = ndisim("oid", "quickstart", *arguments, "--format", "json")
    assert done.stdout.startswith("{"), done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["status"] == "SUCCESS" else 1)
    return found


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGINT)
    assert "PASS" in process.communicate(timeout=LIMIT_S)[0]


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_a_live_run_answers_and_can_be_set(mode: str, tmp_path: Path) -> None:
    arguments = ("--for", "600s", "--mode", mode, "--out", tmp_path)
    with running(QUICKSTART, *arguments) as process:
        sent = [asked("nic0", "OID_GEN_XMIT_OK")["value"] for _ in range(2)]
        assert 0 < sent[0] < sent[1]
        assert asked("mux", "OID_GEN_LINK_STATE")["value"]["transmit_bps"] == 10_000_000_000
        assert asked("nic1", "OID_802_3_MULTICAST_LIST", "01:00:5e:00:00:01")["status"] == "SUCCESS"
        assert asked("sink", "OID_802_3_MULTICAST_LIST")["value"] == ["01:00:5e:00:00:01"]
        assert asked("nic1", "0x99999")["status"] == "NOT_SUPPORTED"
        end(process)


def test_a_run_is_read_as_text_and_knows_its_nodes(tmp_path: Path) -> None:
    with running(QUICKSTART, "--for", "600s", "--out", tmp_path) as process:
        text = ndisim("oid", "quickstart", "nic0", "OID_GEN_STATISTICS").stdout
        assert text.startswith("OID_GEN_STATISTICS:\n  in_octets")
        wrong = ndisim("oid", "quickstart", "nic7", "OID_GEN_STATISTICS")
        said = "ndisim: there is no node 'nic7'; there is replay, bulk, mux, nic0, nic1, sink\n"
        assert (wrong.returncode, wrong.stderr) == (2, said)
        end(process)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", "nic", "OID_GEN_STATISTICS"), "there is no run 'nobody'"),
        (("any", "nic", "OID_NONSENSE"), "neither a number nor one of OID_GEN_SUPPORTED_LIST"),
        (("any", "nic", "1", "soon"), "'soon' is neither a 32-bit number"),
    ],
)
def test_mistakes_are_named_with_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    done = ndisim("oid", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
