"""Carrying out scripts on the nodes of a run, one after the other, each stage bounded in time.

A state machine without a clock or socket of its own: it is told of replies and of the end of its time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from orchestrator.events import Replied
from orchestrator.failures import OperationFailed
from orchestrator.operations import Ask, Stack, Stage, Verb

FIRST_REQUEST = 1 << 32
"""Requests from here on are operations on the stack; the supervisor numbers its own from 1."""
TIMER = "operation"

Send = Callable[[int, int, str, dict[str, Any]], None]
"""Gives a command to a node: node, request, command, arguments."""


class Operation:
    """One thing done to the stack: `value` of its last reply and `error` are set when it has `ended`.

    `was_down` says whether its node was disabled, removed or detached as it began.
    """

    def __init__(self, verb: Verb, node: int, name: str, edge: int = 0) -> None:
        self.verb = verb
        self.node = node
        self.edge = edge
        self.name = name
        self.was_down = False
        self.ended = False
        self.value: Any = None
        self.error: OperationFailed | None = None

    def __str__(self) -> str:
        return f"{self.verb} of {self.name}"


class Procedure:
    """The operations of a run: the one being carried out, and those that wait for it (N6-PNP-06).

    `arm` sets the time by which a stage must be through, in ns from now; `told` hears of each operation's begin and
    end.
    """

    def __init__(
        self,
        stack: Stack,
        names: dict[int, str],
        send: Send,
        arm: Callable[[int], None],
        limit: int,
        told: Callable[[Operation], None],
    ) -> None:
        self.stack = stack
        self._names = names
        self._send = send
        self._arm = arm
        self._limit = limit
        self._told = told
        self._waiting: deque[Operation] = deque()
        self._now: Operation | None = None
        self._stages: deque[Stage] = deque()
        self._awaited: dict[int, Ask] = {}
        self._requests = FIRST_REQUEST

    @property
    def busy(self) -> bool:
        """Return whether an operation is under way or waits."""
        return self._now is not None or bool(self._waiting)

    def begin(self, operation: Operation) -> None:
        """Carry out an operation as soon as those before it have ended."""
        self._waiting.append(operation)
        self._next()

    def answered(self, reply: Replied) -> bool:
        """Take a node's reply; False when it belongs to no operation."""
        if not FIRST_REQUEST <= reply.request <= self._requests:
            return False
        ask = self._awaited.pop(reply.request, None)
        if ask is None or self._now is None:
            return True
        if not reply.ok:
            self._fail(f"node {self._names[ask.node]} refused to {ask.command}: {reply.error}")
            return True
        self.stack.note(ask)
        self._now.value = reply.value
        if not self._awaited:
            self._advance()
        return True

    def died(self, node: int) -> None:
        """Go on without a node: nothing is asked of it any more, and its answers are not waited for."""
        self.stack.dead.add(node)
        left = {request: ask for request, ask in self._awaited.items() if ask.node != node}
        was_last = bool(self._awaited) and not left
        self._awaited = left
        if was_last:
            self._advance()

    def timed_out(self) -> None:
        """End an operation whose stage took too long; those who have not answered are named."""
        late = ", ".join(
            sorted({f"{self._names[ask.node]} ({ask.command})" for ask in self._awaited.values()})
        )
        self._fail(f"no answer in {self._limit / 1e9:g} s from {late}")

    def abandon(self) -> None:
        """Forget what waits; the run ends."""
        self._waiting.clear()

    def _next(self) -> None:
        while self._now is None and self._waiting:
            now = self._now = self._waiting.popleft()
            self._told(now)
            now.was_down = self.stack.down(now.node)
            self._stages = deque(self.stack.script(now.verb, now.node, now.edge))
            self._advance()

    def _advance(self) -> None:
        stage: list[Ask] = []
        while self._stages and not stage:
            stage = [ask for ask in self._stages.popleft() if ask.node not in self.stack.dead]
        if not stage:
            self._end()
            return
        self._arm(self._limit)
        asks = []
        for ask in stage:
            self._requests += 1
            self._awaited[self._requests] = ask
            asks.append((ask.node, self._requests, ask.command, ask.arguments))
        for asked in asks:
            self._send(*asked)

    def _fail(self, message: str) -> None:
        if self._now is not None:
            self._now.error = OperationFailed(f"{self._now}: {message}")
            self._end()

    def _end(self) -> None:
        operation, self._now = self._now, None
        self._awaited.clear()
        self._stages.clear()
        if operation is not None:
            operation.ended = True
            self._told(operation)
        self._next()
