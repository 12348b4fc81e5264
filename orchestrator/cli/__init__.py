"""The `ndisim` command: data on stdout, progress and errors on stderr; what is not used is not loaded."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the `ndisim` command; ends the process with the exit code that the command's outcome has."""
    from orchestrator.cli.app import cli

    cli(prog_name="ndisim", auto_envvar_prefix="NDISIM")
