"""The house rules hold: who may import what, where time and chance come from, how long things are.

The second half breaks each rule in a made-up file, so that a check that no longer bites is noticed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests import architecture
from tests.architecture import Source

ROOT = Path(__file__).parent.parent
BELOW: dict[str, set[str]] = {"shm": set(), "nodes": {"shm"}, "orchestrator": {"nodes", "shm"}}
DATA_PLANE = {"msgpack", "numpy", "posix_ipc", "zmq"}
CONTROL_PLANE = DATA_PLANE | {
    "click",
    "hdrh",
    "jinja2",
    "markupsafe",
    "junitparser",
    "pcapng",
    "psutil",
    "pydantic",
    "pydantic_core",
    "rich",
    "ruamel",
}
THIRD_PARTY = {
    "shm": DATA_PLANE,
    "nodes": DATA_PLANE,
    "orchestrator": CONTROL_PLANE,
    "orchestrator/bench": CONTROL_PLANE | {"faster_fifo", "helics", "iceoryx2", "simpy"},
}
TIME_AND_CHANCE = {"datetime", "numpy.random", "os.urandom", "random", "secrets", "time", "uuid"}
# The clock object is where the data plane's time comes from; nothing else reads a clock or draws a number.
MAY_USE = {"nodes/clock.py": {"time"}}
SLEEPS = {"asyncio.sleep", "time.sleep"}

SOURCES = Source.below(ROOT, *BELOW)
DATA_PLANE_SOURCES = [source for source in SOURCES if source.package in {"shm", "nodes"}]


def test_imports_go_from_orchestrator_to_nodes_to_shm() -> None:
    assert architecture.wrong_way_imports(SOURCES, BELOW) == []


def test_each_package_imports_only_its_third_party_libraries() -> None:
    assert architecture.foreign_imports(SOURCES, set(BELOW), THIRD_PARTY) == []


def test_a_node_process_loads_no_control_plane_library() -> None:
    modules = [source.path.removesuffix(".py").replace("/", ".") for source in DATA_PLANE_SOURCES]
    program = (
        "import importlib, json, sys\n"
        f"for name in {[name.removesuffix('.__init__') for name in modules]}: importlib.import_module(name)\n"
        "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=True)
    loaded = set(json.loads(done.stdout))
    assert loaded & (CONTROL_PLANE - DATA_PLANE | {"orchestrator"}) == set()


def test_the_data_plane_takes_time_and_chance_only_from_clock_and_rng() -> None:
    uses = architecture.uses_of(DATA_PLANE_SOURCES, TIME_AND_CHANCE)
    assert [use for use in uses if use[2] not in MAY_USE.get(use[0], ())] == []


def test_every_exception_for_time_and_chance_is_still_needed() -> None:
    used = {(path, name) for path, _, name in architecture.uses_of(DATA_PLANE_SOURCES, TIME_AND_CHANCE)}
    assert {(path, name) for path, names in MAY_USE.items() for name in names} - used == set()


def test_nothing_sleeps() -> None:
    everything = Source.below(ROOT, *BELOW, "tests", "benchmarks", "examples")
    assert architecture.uses_of(everything, SLEEPS) == []


def test_nothing_uses_the_segments_that_a_tracker_deletes() -> None:
    everything = Source.below(ROOT, *BELOW, "tests", "benchmarks", "examples")
    assert architecture.uses_of(everything, {"multiprocessing.shared_memory"}) == []


def test_no_module_is_longer_than_350_lines() -> None:
    assert architecture.long_modules(SOURCES, 350) == []


def test_no_function_is_longer_than_50_lines() -> None:
    assert architecture.long_functions(SOURCES, 50) == []


def test_everything_public_has_a_docstring() -> None:
    assert architecture.undocumented(SOURCES) == []


@pytest.mark.parametrize("package", sorted(BELOW))
def test_each_package_exports_about_ten_names(package: str) -> None:
    [init] = [source for source in SOURCES if source.path == f"{package}/__init__.py"]
    names = architecture.public_names(init)
    assert names is not None, f"{init.path} has no __all__"
    assert 1 <= len(names) <= 12
    assert len(names) == len(set(names))


def source(text: str, path: str = "nodes/made_up.py") -> Source:
    return Source(path, text)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shm/ring.py", "import nodes.clock"),
        ("shm/ring.py", "from orchestrator import cli"),
        ("nodes/ndis/send.py", "def late() -> None:\n    from orchestrator.cli import main"),
        ("nodes/hosting/host.py", "if TYPE_CHECKING:\n    import orchestrator"),
    ],
)
def test_an_import_against_the_direction_is_found(path: str, text: str) -> None:
    assert len(architecture.wrong_way_imports([source(text, path)], BELOW)) == 1


def test_imports_along_the_direction_and_inside_a_package_are_fine() -> None:
    fine = [
        source("from nodes import spec\nfrom shm.ring import RingProducer", "orchestrator/plan.py"),
        source("from . import sibling\nfrom ..clock import Clock\nimport shm", "nodes/ndis/send.py"),
    ]
    assert architecture.wrong_way_imports(fine, BELOW) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("shm/ring.py", "import pydantic"),
        ("nodes/hosting/host.py", "from ruamel.yaml import YAML"),
        ("orchestrator/plan.py", "import faster_fifo"),
        ("orchestrator/bench/peers.py", "import scipy"),
    ],
)
def test_a_library_that_is_not_on_the_list_is_found(path: str, text: str) -> None:
    assert len(architecture.foreign_imports([source(text, path)], set(BELOW), THIRD_PARTY)) == 1


def test_libraries_on_the_list_the_standard_library_and_ourselves_are_fine() -> None:
    fine = [
        source(
            "import os.path\nimport numpy as np\nfrom shm import ring\nfrom . import x",
            "nodes/hosting/host.py",
        ),
        source("import faster_fifo\nfrom ruamel.yaml import YAML", "orchestrator/bench/peers.py"),
    ]
    assert architecture.foreign_imports(fine, set(BELOW), THIRD_PARTY) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("import time", "time"),
        ("import time as t\nt.monotonic()", "time"),
        ("from random import choice", "random"),
        ("import numpy as np\nnp.random.default_rng()", "numpy.random"),
        ("from numpy.random import default_rng", "numpy.random"),
        ("import os\nos.urandom(8)", "os.urandom"),
        ("import multiprocessing.shared_memory", "multiprocessing.shared_memory"),
        ("from multiprocessing import shared_memory", "multiprocessing.shared_memory"),
        ("import time as t\nwait = t.sleep", "time.sleep"),
        ("from time import sleep as nap", "time.sleep"),
    ],
)
def test_a_banned_name_is_found_under_any_alias(text: str, name: str) -> None:
    assert {use[2] for use in architecture.uses_of([source(text)], {name})} == {name}


def test_names_that_only_look_like_banned_ones_are_fine() -> None:
    text = "import time\nfrom nodes import rng as random\n"
    text += "self.time.sleep(1)\nrandom.draw()\ntime.monotonic()"
    assert architecture.uses_of([source(text)], {"time.sleep", "random"}) == []


def test_length_limits_are_inclusive() -> None:
    function = "def f() -> None:\n" + "    pass\n" * 49
    assert architecture.long_functions([source(function)], 50) == []
    assert architecture.long_functions([source(function + "    pass\n")], 50) == [
        "nodes/made_up.py:1 f has 51 lines"
    ]
    assert architecture.long_modules([source("\n" * 350)], 350) == []
    assert architecture.long_modules([source("\n" * 351)], 350) == ["nodes/made_up.py:1 351 lines"]


def test_a_missing_docstring_is_found_wherever_it_is_public() -> None:
    text = "def f(): ...\nclass C:\n    def m(self): ...\n    def _p(self): ...\ndef _g(): ...\n"
    found = architecture.undocumented([source(text)])
    assert found == [f"nodes/made_up.py:{place}" for place in ("1 module", "1 f", "2 C", "3 C.m")]


def test_an_override_has_its_docstring_where_it_is_first_defined() -> None:
    base = source('"""M."""\nclass A:\n    """A."""\n    def m(self):\n        """Do."""\n')
    heir = source('"""M."""\nclass B(x.A[int]):\n    """B."""\n    def m(self): ...\n', "nodes/heir.py")
    heirs_heir = source('"""M."""\nclass C(B):\n    """C."""\n    def m(self): ...\n    def n(self): ...\n')
    assert architecture.undocumented([base, heir, heirs_heir]) == ["nodes/made_up.py:5 C.n"]


def test_public_names_are_read_from_all() -> None:
    assert architecture.public_names(source('__all__ = ["a", "b"]')) == ["a", "b"]
    assert architecture.public_names(source('__all__: list[str] = ["a"]')) == ["a"]
    assert architecture.public_names(source("x = 1")) is None
