from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.topology import (
    BindingModel,
    Problem,
    Threshold,
    TopologyError,
    WireModel,
    load_topology,
    parse_topology,
)
from orchestrator.topology.model import MAX_NODES
from orchestrator.topology.reader import MAX_BYTES
from tests.orchestrator.topology.sample_drivers import MiniportOptions
from tests.orchestrator.topology.samples import CATALOGUE, STACK, parse, problems

FULL = """\
name: full
seed: 7
nodes:
  bulk: {driver: traffic, senders: 4, size: 1500, bursts: [5us, 1ms], limit: ~, copy: true, pool: 512}
  mux: {driver: mux}
  nic0: {driver: nic, link: 10Gbps}
  nic1: {driver: nic, link: 10Gbps}
  sink: {driver: receiver, write: received.pcapng}
bindings:
  - bulk -> mux -> nic0
  - {upper: sink, lower: nic1, depth: 4096, coalesce: true, weight: 3}
wires:
  - {between: [nic0, nic1], latency: 5us, loss: 1%, bandwidth: 1Gbps}
pass: [lost == 0, latency.p99 < 50ms, throughput_pps >= 10000, statuses.SUCCESS > 5]
verify: 4
notify: every
delivery: post
"""


def test_every_part_of_a_topology_is_converted_to_base_units() -> None:
    topology = parse(FULL)
    assert (topology.name, topology.seed, topology.level) == ("full", 7, 4)
    assert (topology.notify, topology.delivery) == ("every", "post")
    assert list(topology.nodes) == ["bulk", "mux", "nic0", "nic1", "sink"]
    bulk = topology.nodes["bulk"]
    assert (bulk.driver, bulk.kind, bulk.pool) == ("traffic", "protocol", 512)
    assert bulk.reference.endswith("sample_drivers.py:Traffic")
    options = bulk.options
    assert (options.senders, options.size, options.bursts, options.copy) == (
        4,
        "1500",
        (5_000, 1_000_000),
        True,
    )
    assert topology.nodes["nic0"].options.link == 10**10
    assert topology.bindings == (
        BindingModel(upper="bulk", lower="mux"),
        BindingModel(upper="mux", lower="nic0"),
        BindingModel(upper="sink", lower="nic1", depth=4096, coalesce=True, weight=3),
    )
    assert topology.wires == (WireModel(a="nic0", b="nic1", latency=5_000, loss=0.01, bandwidth=10**9),)
    assert topology.thresholds == (
        Threshold("lost", "==", 0),
        Threshold("latency.p99", "<", 50_000_000),
        Threshold("throughput_pps", ">=", 10_000),
        Threshold("statuses.SUCCESS", ">", 5),
    )


def test_what_is_not_written_has_its_default() -> None:
    topology = parse(STACK)
    assert (topology.seed, topology.level, topology.notify, topology.delivery) == (0, 2, "armed", "post")
    assert topology.bindings[0] == BindingModel(
        upper="bulk", lower="mux", coalesce=False, depth=1024, weight=1
    )
    assert (topology.wires, topology.thresholds) == ((), ())
    assert type(topology.nodes["nic0"].options).__name__ == MiniportOptions.__name__
    assert topology.nodes["nic0"].pool is None


def test_a_topology_cannot_be_changed() -> None:
    topology = parse(STACK)
    with pytest.raises(ValidationError, match="frozen"):
        topology.seed = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        topology.nodes["more"] = topology.nodes["mux"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("link: 10Gbps}\n  nic1", "link: 10Gpbs}\n  nic1",
         "6:29: nodes.nic0.link: '10Gpbs' is not a rate (write e.g. 10Gbps)"),
        ("driver: mux", "driver: mxu", "5:17: nodes.mux.driver: there is no driver 'mxu' (did you mean mux"),
        ("driver: mux", "drivr: mux", "5:8: nodes.mux.driver: the driver of the node is missing"
         " (write e.g. driver: mux)"),
        ("mux: {driver: mux}", "mux: mux", "5:8: nodes.mux: a mapping is wanted here (write"),
        ("seed: 7", "sead: 7", "2:1: sead: unknown key (did you mean seed?)"),
        ("seed: 7", "seed: -1", "2:7: seed: '-1' is out of bounds (at least 0)"),
        ("seed: 7", "seed: x", "2:7: seed: 'x' is not a whole number"),
        ("seed: 7", "seed:", "2:1: seed: a value is missing, a whole number is wanted here"),
        ("name: full", "name: [a]", "1:7: name: text is wanted here (not a list)"),
        ("name: full\n", "", "1:1: name: the key 'name' is missing"),
        ("senders: 4", "sendrs: 4", "4:27: nodes.bulk.sendrs: unknown key (did you mean senders?)"),
        ("senders: 4", "senders: 0", "4:36: nodes.bulk.senders: '0' is too small (at least 1)"),
        ("senders: 4", "senders: 5000", "4:36: nodes.bulk.senders: '5000' is too large (at most 4096)"),
        ("senders: 4", "senders: [4]", "4:36: nodes.bulk.senders: a count is wanted here"
         " (not a list or a mapping)"),
        ("senders: 4", "senders: ~", "4:27: nodes.bulk.senders: a value is missing (write e.g. 1024)"),
        ("size: 1500", "size: big", "4:45: nodes.bulk.size: 'big' is not a size I know"),
        ("copy: true", "copy: maybe", "4:87: nodes.bulk.copy: 'maybe' is not true or false"),
        ("5us, 1ms]", "5us, 1]", "4:65: nodes.bulk.bursts[1]: '1' has no unit (write e.g. 5us)"),
        ("pool: 512", "pool: 0", "4:99: nodes.bulk.pool: '0' is too small (at least 1)"),
        ("received.pcapng", "../received", "8:35: nodes.sink.write: '../received' is not a file below the"),
        ("verify: 4", "verify: 5", "15:9: verify: '5' is out of bounds (at most 4)"),
        ("notify: every", "notify: never", "16:9: notify: 'never' is not allowed here (write 'armed'"),
        ("delivery: post", "delivery: call", "17:11: delivery: 'call' is not allowed here (write 'post')"),
        ("lost == 0", "losst == 0", "14:8: pass[0]: 'losst' is not a metric (did you mean lost?)"),
        ("lost == 0", "[lost]", "14:8: pass[0]: a condition is wanted here (write e.g. lost == 0)"),
        ("pass: [lost", "pass: {a: [lost", "15:1: pass: not valid YAML"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_at_its_place(old: str, new: str, problem: str) -> None:
    text = FULL.replace(old, new, 1)
    assert text != FULL
    (found,) = problems(text)
    assert found.startswith(problem)


@pytest.mark.parametrize("name", ["Nic", "-a", "_a", "a" * 33, "a.b", "nïc", "a b"])
def test_a_node_name_has_a_fixed_form(name: str) -> None:
    found = problems(STACK.replace("nic0", f"'{name}'").replace(f"mux -> '{name}'", f"mux -> {name}"))
    assert any(f"nodes.{name!r}: {name!r} is not a name (lower case" in line for line in found) or any(
        f"nodes.{name}: {name!r} is not a name (lower case" in line for line in found
    )


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        FULL.replace("seed: 7", "seed: x")
        .replace("driver: mux", "driver: mxu")
        .replace("5us, loss", "5, loss")
    )
    assert [line.partition(":")[0] for line in problems(text)] == ["2", "5", "13"]


def test_more_nodes_than_a_handle_can_name_are_refused() -> None:
    text = "name: many\nnodes:\n" + "".join(
        f"  n{index}: {{driver: mux}}\n" for index in range(MAX_NODES + 1)
    )
    assert problems(text) == [f"3:3: nodes: {MAX_NODES + 1} nodes are too many (at most {MAX_NODES})"]


def test_the_error_has_a_text_and_a_json_form() -> None:
    with pytest.raises(TopologyError) as caught:
        parse(STACK.replace("driver: mux", "driver: mxu"))
    problem = Problem(4, 17, "nodes.mux.driver", "there is no driver 'mxu'", "did you mean mux?")
    assert caught.value.problems == (problem,)
    assert str(caught.value) == "t.yml:4:17: nodes.mux.driver: there is no driver 'mxu' (did you mean mux?)"
    assert json.loads(caught.value.to_json()) == {
        "source": "t.yml",
        "problems": [
            {
                "line": 4,
                "column": 17,
                "path": "nodes.mux.driver",
                "message": "there is no driver 'mxu'",
                "hint": "did you mean mux?",
            }
        ],
    }


def test_an_input_file_is_found_beside_the_topology_file(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "web.pcapng").write_bytes(b"")
    path = tmp_path / "sub" / "t.yml"
    path.write_text(STACK.replace("{driver: traffic}", "{driver: replay, file: ../web.pcapng}"))
    topology = load_topology(path, CATALOGUE)
    assert topology.nodes["bulk"].options.file == str(tmp_path / "web.pcapng")


@pytest.mark.parametrize("name", ["missing.pcapng", ".", "x" * 300, '"a\\0b"', '"\\ud800"', "/dev/null"])
def test_an_input_file_that_cannot_be_read_is_a_problem(tmp_path: Path, name: str) -> None:
    (found,) = problems(STACK.replace("{driver: traffic}", f"{{driver: replay, file: {name}}}"), tmp_path)
    assert found.startswith("3:32: nodes.bulk.file: ")


def test_a_driver_may_refuse_its_options_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "web").write_bytes(b"")
    text = STACK.replace("{driver: traffic}", "{driver: replay, file: web, loop: 13}")
    assert problems(text, tmp_path) == [
        "3:9: nodes.bulk: the driver refuses its options: 13 loops bring bad luck"
    ]


@pytest.mark.parametrize(
    ("driver", "reason"),
    [
        ("no-kind", "NoKind has no kind"),
        ("no-options", "NoOptionsAtAll has no dataclass named Options"),
        ("greedy", "Greedy has an option named 'pool', which every node has already"),
        ("odd", "Odd has a type that cannot be read"),
    ],
)
def test_a_driver_that_cannot_be_used_is_a_problem_of_the_node(driver: str, reason: str) -> None:
    (found,) = problems(STACK.replace("driver: mux", f"driver: {driver}"))
    assert found.startswith(f"4:17: nodes.mux.driver: the driver '{driver}' cannot be used: ")
    assert reason in found


def refusal(path: Path) -> str:
    with pytest.raises(TopologyError) as caught:
        load_topology(path, CATALOGUE)
    return str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.yml") == f"{tmp_path}/none.yml: the topology file does not exist"
    assert refusal(tmp_path) == f"{tmp_path}: the topology file is a directory"
    assert "Permission denied" in refusal(_unreadable(tmp_path)) or os.geteuid() == 0
    assert "cannot be read: embedded null byte" in refusal(Path("a\0b"))


def _unreadable(folder: Path) -> Path:
    path = folder / "secret.yml"
    path.touch(mode=0o000)
    return path


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe").endswith("the topology file is not a regular file")


def test_a_file_over_one_mebibyte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "the topology file is larger than 1 MiB" in refusal(path)


def test_a_file_that_is_not_utf8_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.yml"
    path.write_bytes(b"name: x\nnodes: \xe4\n")
    assert refusal(path) == f"{path}:2:8: the byte 0xe4 is not UTF-8 (save the file as UTF-8)"


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "bom.yml"
    path.write_bytes(b"\xef\xbb\xbf" + STACK.encode())
    assert load_topology(path, CATALOGUE) == parse(STACK)


WORDS = st.sampled_from(
    [
        *FULL.split(),
        ":",
        "- ",
        "[",
        "]",
        "{",
        "}",
        "&a",
        "*a",
        "\n",
        "  ",
        "\t",
        "|",
        ">",
        "'",
        '"',
        "? ",
        "!x",
        "<<",
        "%",
    ]
)


@given(st.one_of(st.text(max_size=200), st.lists(WORDS, max_size=60).map(" ".join)))
@example("nodes: {a: {driver: traffic, senders: [[[]]]}}")
@example("bindings: {a: b}\nwires: 3\npass: ''\nnodes: []")
@example("a: &a\n  b: *a\n")
def test_garbage_is_never_more_than_a_topology_error(text: str) -> None:
    try:
        parse_topology(text, "t.yml", CATALOGUE, Path("/"))
    except TopologyError as error:
        assert str(error).count("\n") == len(error.problems) - 1  # noqa: PT017 - garbage may also be a topology


@given(st.integers(0, len(FULL) - 1), st.integers(0, 12), st.text(max_size=4))
def test_a_damaged_topology_is_never_more_than_a_topology_error(
    start: int, length: int, inserted: str
) -> None:
    try:
        parse(FULL[:start] + inserted + FULL[start + length :])
    except TopologyError as error:
        assert error.problems  # noqa: PT017 - the damage may be harmless
