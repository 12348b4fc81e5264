"""Faults of a live run, given by the real command from another process, in both modes."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.command import LIMIT_S, QUICKSTART, ndisim, running


def fault(*arguments: str) -> None:
    done = ndisim("fault", *arguments)
    assert (done.returncode, done.stderr) == (0, "")


def listed() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(ndisim("fault", "ls", "quickstart", "--format", "json").stdout)
    return found


@pytest.mark.parametrize("mode", ["processes", "inline"])
def test_faults_of_a_live_run_are_added_listed_and_removed(mode: str, tmp_path: Path) -> None:
    arguments = ("--for", "600s", "--mode", mode, "--out", tmp_path)
    with running(QUICKSTART, *arguments) as process:
        assert listed() == []
        fault("add", "quickstart", "noisy", "nic0 -> nic1", "drop=50%")
        fault("add", "quickstart", "late", "mux -> nic0", "delay=1ms", "jitter=1ms", "share=10%", "for=1h")
        noisy, late = listed()
        assert (noisy["kind"], noisy["where"], noisy["to_us"]) == ("drop", "nic0 -> nic1", None)
        assert late["from_us"] >= noisy["from_us"] > 0
        fault("rm", "quickstart", "noisy")
        noisy, _ = listed()
        assert noisy["to_us"] > noisy["from_us"]
        shown = ndisim("fault", "ls", "quickstart").stdout.splitlines()
        assert shown[0].split() == ["fault", "kind", "where", "from", "to", "hit"]
        assert shown[1].startswith("noisy  drop   nic0 -> nic1")
        wrong = ndisim("fault", "add", "quickstart", "more", "nic0 -> nix1", "drop=1%")
        assert (wrong.returncode, wrong.stderr) == (
            2,
            "ndisim: on: there is no node 'nix1' (did you mean nic1?)\n",
        )
        process.send_signal(signal.SIGINT)
        text = process.communicate(timeout=LIMIT_S)[0]
    assert "noisy: drop on nic0 -> nic1, from " in text
    assert "late: delay on mux -> nic0, from " in text
    assert text.startswith("PASS")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("ls", "nobody"), "there is no run 'nobody'"),
        (("add", "any", "noisy", "nic0 -> nic1", "drop"), "'drop' is not KEY=VALUE; write e.g. drop=1%"),
        (("add", "any", "noisy", "nic0 -> nic1", "drop=1%", "drop=2%"), "drop is given twice"),
        (("add", "any", "noisy", "nic0 -> nic1"), "Missing argument"),
    ],
)
def test_mistakes_are_named_with_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    done = ndisim("fault", *arguments)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())
