"""The `ndisim` group: what commands there are, each imported only when it is called."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from orchestrator.cli.errors import explain

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("orchestrator.cli.run:run", "Run a topology and report what became of every packet."),
    "stress": (
        "orchestrator.cli.stress:stress",
        "Load a topology or a shape with many senders and say whether it held.",
    ),
    "report": ("orchestrator.cli.report:report", "Write the report of a finished run as an HTML page."),
    "validate": ("orchestrator.cli.describe:validate", "Check topology files; show all mistakes at once."),
    "graph": ("orchestrator.cli.describe:graph", "Draw a topology as Mermaid or dot."),
    "drivers": ("orchestrator.cli.describe:drivers", "List drivers, or show one with its options."),
    "verify": (
        "orchestrator.cli.verify:verify",
        "Certify a driver: put it between checked neighbours and play jobs that a wrong one fails.",
    ),
    "rules": ("orchestrator.cli.rules:rules", "List the rules of the contract and how each is held."),
    "schema": (
        "orchestrator.cli.describe:schema",
        "Print the JSON schema of topology files or of the report.",
    ),
    "compare": (
        "orchestrator.cli.compare:compare",
        "Compare two runs; say whether one was faster, and how sure that is.",
    ),
    "ps": ("orchestrator.cli.runs:ps", "List the runs of this user."),
    "inspect": (
        "orchestrator.cli.runs:inspect",
        "Show what is in flight in a run, since when, and who holds it.",
    ),
    "oid": ("orchestrator.cli.oid:oid", "Query or set an OID of a node of a live run."),
    "fault": ("orchestrator.cli.fault:fault", "Let something go wrong in a live run; list and end it."),
    "clean": ("orchestrator.cli.runs:clean", "Remove what dead runs left behind."),
    "bench": ("orchestrator.bench.commands:bench", "Measure the data plane and its peers on this machine."),
    "version": ("orchestrator.cli.describe:show_version", "Print the version."),
}
"""Where each command lives and what it does in a line, so that the help needs no import."""


ARGUMENTS = "ndisim.arguments"
"""Where a command finds the arguments of the whole command line in `Context.meta`."""


class LazyGroup(click.Group):
    """A group whose commands are named by `COMMANDS` and loaded when called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None for a name that is not there."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments as they were given: reports tell them."""
        ctx.meta[ARGUMENTS] = tuple(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; whatever it raises reaches the user as one message, or whole with ``--debug``."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            raise explain(error) from error


def current_version() -> str:
    """Return the version of the installed distribution, ``unknown`` when run from a bare source tree."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("ndisim")
    except PackageNotFoundError:
        return "unknown"


def _print_version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"ndisim {current_version()}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Print the version.",
)
def cli(debug: bool) -> None:
    """Run a Windows-style network driver stack as real processes, and account for every packet.

    Exit codes: 0 pass, 99 a threshold failed, 98 a contract violation or a lost packet, 97 the load generator
    was the bottleneck, 2 invalid input, 1 anything else. Every option can be set as
    NDISIM_<COMMAND>_<OPTION>.
    """
