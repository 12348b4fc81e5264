"""Read the report of a finished run."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from orchestrator.report_model import Report

REPORT_JSON = "report.json"
REPORT_TEXT = "report.txt"
REPORT_PAGE = "report.html"


class NotAReport(Exception):
    """A file that should hold a report holds something else."""


def read_report(path: Path) -> Report:
    """Return the report in a file, or in the output directory of a run.

    Raises NotAReport, or OSError when a file cannot be read.
    """
    file = path / REPORT_JSON if path.is_dir() else path
    if path.is_dir() and not file.exists():
        raise NotAReport(f"{path}: holds no {REPORT_JSON}; give the directory that a run had as --out")
    try:
        return Report.model_validate_json(file.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        what = f"{place}: {first['msg']}" if place else first["msg"]
        raise NotAReport(
            f"{file}: not a report of this version ({what}); give a file that "
            "`ndisim run --out DIR` or `--format json` wrote, or run it again"
        ) from error
