from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Iterator

import pytest

from orchestrator.signals import Signals


@pytest.fixture
def signals() -> Iterator[Signals]:
    made = Signals()
    yield made
    made.close()


def test_signals_are_noted_instead_of_acted_upon(signals: Signals) -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with signals:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        assert select.select([signals], [], [], 10)[0] == [signals]
        assert signals.take() == 2
        assert signals.take() == 0
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_outside_of_the_block_ctrl_c_is_what_it_always_is(signals: Signals) -> None:
    with signals:
        pass
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert signals.take() == 0


def test_a_signal_that_nobody_took_comes_again_at_the_end(signals: Signals) -> None:
    signals.__enter__()
    signal.raise_signal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        signals.__exit__(None, None, None)
    assert signals.take() == 0


def test_a_third_signal_that_nobody_takes_breaks_out(signals: Signals) -> None:
    with signals, pytest.raises(KeyboardInterrupt):  # noqa: PT012 two of the three are only noted
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


def test_signals_that_are_taken_never_break_out(signals: Signals) -> None:
    with signals:
        for _ in range(5):
            signal.raise_signal(signal.SIGINT)
            assert signals.take() == 1


def test_a_thread_may_use_it_and_notes_nothing(signals: Signals) -> None:
    def body() -> None:
        with signals:
            taken.append(signals.take())

    taken: list[int] = []
    thread = threading.Thread(target=body)
    thread.start()
    thread.join(10)
    assert taken == [0]
