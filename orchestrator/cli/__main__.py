"""``python -m orchestrator.cli`` is the `ndisim` command, for a source tree that is not installed."""

from orchestrator.cli import main

main()
