"""Find a driver class by its reference, ``package.module:Class`` or ``/absolute/file.py:Class``.

A node process loads its one driver through this, so it needs the standard library only.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType


class DriverLoadError(Exception):
    """Base of the reasons why a driver class cannot be had."""


class DriverNotFound(DriverLoadError):
    """Say that the file, the module or the class that a reference names does not exist."""


class DriverFileError(DriverLoadError):
    """Say that a driver's file fails when it is read: `file`, `line` (0 if unknown) and the reason."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        """Keep the place apart from the reason, so that an editor can jump there."""
        super().__init__(f"{file}:{line}: {reason}")
        self.file = file
        self.line = line
        self.reason = reason


def load_driver(reference: str) -> type:
    """Return the class that `reference` names, importing its module or file once per process.

    `DriverNotFound` if file, module or class is not there or the name is no class; `DriverFileError` if the
    code itself fails while it is imported; `ValueError` if the reference has no ``:`` or names a relative
    file.
    """
    place, colon, name = reference.rpartition(":")
    if not colon or not place or not name:
        raise ValueError(
            f"{reference!r} is no driver reference; write package.module:Class or /file.py:Class"
        )
    module = load_file(Path(place)) if place.endswith(".py") else _load_module(place)
    found = getattr(module, name, None)
    if not isinstance(found, type):
        raise DriverNotFound(f"{place} has no class {name}")
    return found


def load_file(path: Path) -> ModuleType:
    """Import a Python file by its absolute path, once per process; errors as for `load_driver`.

    The module's name comes from the path, so two files of one name stay two modules and the orchestrator and
    its nodes agree on the name.
    """
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is not an absolute path")
    name = f"ndisim_driver_{hashlib.sha256(str(path).encode()).hexdigest()[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise DriverNotFound(f"there is no driver file {path}")
    module = module_from_spec(spec)
    sys.modules[name] = module  # before it runs: dataclasses look their module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise _file_error(error, str(path)) from error
    return module


def _load_module(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise DriverNotFound(f"there is no module {name}") from None
        raise _file_error(error, name) from error
    except Exception as error:
        raise _file_error(error, name) from error


def _file_error(error: Exception, place: str) -> DriverFileError:
    """Name the deepest line of the driver's own file that the failure passed through."""
    reason = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
    if isinstance(error, SyntaxError) and error.filename:
        return DriverFileError(error.filename, error.lineno or 0, reason)
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "importlib" not in frame.filename
    ]
    chosen = [frame for frame in frames if frame.filename == place] or frames
    if not chosen:
        return DriverFileError(place, 0, reason)
    return DriverFileError(chosen[-1].filename, chosen[-1].lineno or 0, reason)
