"""Carry out operations on a bench as the orchestrator would on a run."""

from __future__ import annotations

from orchestrator.operations import Stack, Verb
from tests.bench import Bench


def stack_of(bench: Bench) -> Stack:
    """Return what is known of a bench's stack before anything was done to it."""
    return Stack([node.spec for node in bench.nodes.values()])


def steer(bench: Bench, verb: Verb, name: str, lower: str = "", stack: Stack | None = None) -> list[str]:
    """Do something to a bench's stack, stage by stage; return what went wrong, empty if nothing did."""
    stack = stack or stack_of(bench)
    names = {node.spec.node: name for name, node in bench.nodes.items()}
    ids = {name: number for number, name in names.items()}
    edge = stack.edge(ids[name], ids[lower]) if lower else 0
    for stage in stack.script(verb, ids[name], edge):
        asked = [(ask, bench.command(names[ask.node], ask.command, **ask.arguments)) for ask in stage]
        bench.run_out(lambda asked=asked: all(answers for _, answers in asked))  # type: ignore[misc]
        for ask, answers in asked:
            if not answers:
                return [f"{names[ask.node]} did not answer to {ask.command}"]
            if not answers[0]["ok"]:
                return [answers[0]["error"]]
            stack.note(ask)
    return []
