from __future__ import annotations

import sys
from pathlib import Path

import pytest

from nodes.hosting.loader import DriverFileError, DriverLoadError, DriverNotFound, load_driver, load_file


def write(folder: Path, text: str, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_a_class_is_found_by_module_and_name() -> None:
    assert load_driver("nodes.hosting.loader:DriverNotFound") is DriverNotFound


def test_a_class_is_found_by_file_and_name(tmp_path: Path) -> None:
    path = write(tmp_path, "class Layer:\n    size = 7\n")
    assert vars(load_driver(f"{path}:Layer"))["size"] == 7


def test_a_file_is_read_once(tmp_path: Path) -> None:
    path = write(tmp_path, "class Layer: pass\n")
    first = load_driver(f"{path}:Layer")
    path.unlink()
    assert load_driver(f"{path}:Layer") is first


def test_two_files_of_one_name_are_two_modules(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    first, second = write(tmp_path, "class Layer: pass\n"), write(tmp_path / "sub", "class Layer: pass\n")
    assert load_driver(f"{first}:Layer") is not load_driver(f"{second}:Layer")


def test_a_colon_in_a_path_is_part_of_the_path(tmp_path: Path) -> None:
    path = write(tmp_path, "class Layer: pass\n", "a:b.py")
    assert load_driver(f"{path}:Layer").__name__ == "Layer"


def test_a_dataclass_in_a_file_can_read_its_own_types(tmp_path: Path) -> None:
    text = "from __future__ import annotations\nfrom dataclasses import dataclass, KW_ONLY\n"
    text += "@dataclass\nclass Layer:\n    _: KW_ONLY\n    size: int = 1\n"
    assert load_driver(f"{write(tmp_path, text)}:Layer")(size=2).size == 2


@pytest.mark.parametrize(
    "reference", ["", "nodes.hosting.loader", ":Layer", "nodes.hosting.loader:", "mine.py:Layer"]
)
def test_a_text_that_is_no_reference_is_a_value_error(reference: str) -> None:
    with pytest.raises(ValueError, match=r"is no driver reference|is not an absolute path"):
        load_driver(reference)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("no_such_package.module:Layer", "there is no module no_such_package.module"),
        ("nodes.no_such_module:Layer", "there is no module nodes.no_such_module"),
        ("nodes.hosting.loader:NoSuchClass", "nodes.hosting.loader has no class NoSuchClass"),
        ("nodes.hosting.loader:load_driver", "nodes.hosting.loader has no class load_driver"),
        ("/no/such/file.py:Layer", "there is no driver file /no/such/file.py"),
    ],
)
def test_what_does_not_exist_is_named(reference: str, message: str) -> None:
    with pytest.raises(DriverNotFound) as caught:
        load_driver(reference)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("x = 1\nclass Layer\n", 2, "SyntaxError: expected ':'"),
        ("import no_such_package\n", 1, "ModuleNotFoundError: No module named 'no_such_package'"),
        (
            "from nodes.hosting.loader import nothing\n",
            1,
            "ImportError: cannot import name 'nothing' from 'nodes.hosting.loader'",
        ),
        ("def f():\n    return 1 / 0\nf()\n", 2, "ZeroDivisionError: division by zero"),
        ("x = '\\udc00'\n'\ud7ff'.encode('ascii')\n", 2, "UnicodeEncodeError"),
    ],
)
def test_a_file_that_fails_names_line_and_reason(tmp_path: Path, text: str, line: int, reason: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(DriverFileError) as caught:
        load_file(path)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert caught.value.reason.startswith(reason)
    assert str(caught.value).startswith(f"{path}:{line}: {reason}")


def test_a_file_that_failed_is_read_again_the_next_time(tmp_path: Path) -> None:
    path = write(tmp_path, "1 / 0\n")
    with pytest.raises(DriverFileError):
        load_file(path)
    path.write_text("class Layer: pass\n")
    assert load_driver(f"{path}:Layer").__name__ == "Layer"


def test_a_module_that_fails_names_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "\nimport no_such_package\n", "ndisim_test_broken.py")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DriverLoadError) as caught:
        load_driver("ndisim_test_broken:Layer")
    assert str(caught.value) == f"{path}:2: ModuleNotFoundError: No module named 'no_such_package'"
    assert "ndisim_test_broken" not in sys.modules
