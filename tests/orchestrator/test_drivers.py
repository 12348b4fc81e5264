from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from nodes.hosting.loader import DriverFileError, DriverNotFound, load_driver
from nodes.registry import STOCK_DRIVERS
from orchestrator import drivers
from orchestrator.drivers import Catalogue, DriverNameClash, OptionInfo, UnfitDriver, UnknownDriver

SOURCE = '''
from __future__ import annotations
from dataclasses import dataclass, field
from typing import Annotated
from nodes.driver import Driver
from nodes.options import Choice, Duration, InputFile

class Base(Driver):
    """Not a driver: it has no kind."""

class SlowTXFilter(Driver):
    """Delay each send.

    By a fixed time.
    """
    kind = "filter"

    @dataclass(frozen=True)
    class Options:
        file: Annotated[str, InputFile("capture")]
        delay: Duration = field(default=5_000, metadata={"help": "how long a send waits"})
        mode: Annotated[str, Choice(("all", "some"))] = "all"
        strict: bool = False
        steps: tuple[Duration, ...] = ()
        cap: Duration | None = None

class Other(Driver):
    kind = "protocol"
    driver_name = "renamed"

class _Hidden(Driver):
    kind = "protocol"
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SOURCE)
    return path


def test_the_stock_drivers_are_known_by_name() -> None:
    assert set(STOCK_DRIVERS) <= set(Catalogue().names())


def test_an_unknown_driver_comes_with_the_closest_name() -> None:
    with pytest.raises(UnknownDriver, match=r"there is no driver 'trafic' \(did you mean traffic\?\)"):
        Catalogue().find("trafic")


def test_a_users_file_adds_its_concrete_drivers(file: Path) -> None:
    assert Catalogue([file], stock={}).names() == ("renamed", "slow-tx-filter")


def test_a_driver_is_described_as_a_user_would_write_it(file: Path) -> None:
    info = Catalogue([file], stock={}).find("slow-tx-filter")
    assert (info.kind, info.summary, info.reference) == ("filter", "Delay each send.", f"{file}:SlowTXFilter")
    assert load_driver(info.reference).__dict__["Options"] is info.options_type
    assert info.options == (
        OptionInfo("file", "capture file", None, ""),
        OptionInfo("delay", "duration", "5us", "how long a send waits"),
        OptionInfo("mode", "all | some", "all", ""),
        OptionInfo("strict", "true or false", "false", ""),
        OptionInfo("steps", "list", "[]", ""),
        OptionInfo("cap", "duration", "", ""),
    )


def test_a_directory_adds_its_public_files(file: Path) -> None:
    (file.parent / "_private.py").write_text("raise RuntimeError('not to be imported')")
    (file.parent / "second.py").write_text(
        SOURCE.replace("SlowTXFilter", "Quick").replace("renamed", "again")
    )
    assert Catalogue([file.parent], stock={}).names() == ("again", "quick", "renamed", "slow-tx-filter")


def test_two_drivers_of_one_name_are_an_error(file: Path) -> None:
    with pytest.raises(DriverNameClash, match=r"two drivers are named 'renamed': a.b:C and .*mine.py:Other"):
        Catalogue([file], stock={"renamed": "a.b:C"})


def test_the_same_file_may_be_given_twice(file: Path) -> None:
    assert Catalogue([file, file.parent], stock={}).names() == ("renamed", "slow-tx-filter")


def test_a_path_without_drivers_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("x = 1\n")
    with pytest.raises(DriverNotFound, match=r"empty.py defines no driver"):
        Catalogue([tmp_path / "empty.py"])
    with pytest.raises(DriverNotFound, match="there is no driver file or directory"):
        Catalogue([tmp_path / "missing"])


def test_a_file_that_fails_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text("x = 1\ny = x / 0\n")
    with pytest.raises(DriverFileError, match=r"bad.py:2: ZeroDivisionError"):
        Catalogue([tmp_path / "bad.py"])


def test_a_driver_name_has_a_fixed_form(file: Path) -> None:
    file.write_text(SOURCE.replace('"renamed"', '"Bad Name"'))
    with pytest.raises(UnfitDriver, match=r"the driver name 'Bad Name'"):
        Catalogue([file])


def test_installed_packages_add_drivers_without_being_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = EntryPoint("vendor", "vendor.package:Layer", drivers.ENTRY_POINT_GROUP)
    monkeypatch.setattr(drivers, "entry_points", lambda group: [entry] if group == entry.group else [])
    catalogue = Catalogue(stock={})
    assert catalogue.names() == ("vendor",)
    with pytest.raises(DriverNotFound, match=r"there is no module vendor.package"):
        catalogue.find("vendor")


@dataclass(frozen=True)
class _UnreadableOptions:
    thing: NoSuchType = field(default=None)  # type: ignore[name-defined] # noqa: F821


class _Unreadable:
    kind = "filter"
    Options = _UnreadableOptions


def test_options_whose_types_cannot_be_read_are_named() -> None:
    with pytest.raises(UnfitDriver, match=r"name 'NoSuchType' is not defined"):
        Catalogue(stock={"odd": f"{__name__}:_Unreadable"}).find("odd")
