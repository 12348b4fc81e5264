"""Messages between real nodes: bodies, answers, slots, and what makes no sense."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from nodes.crossings.crossing import MESSAGE_SLOTS, Op
from nodes.crossings.message import QUEUE_LIMIT, Body, Message, MessageTooLong, Posted
from nodes.crossings.port import Port
from nodes.driver import Driver
from nodes.metrics import Counter
from nodes.status import Status
from tests.bench import Bench
from tests.layers import Floor, Teller

QUESTION = (1, 2, 3, 4, 5, 6, b"seven")
ANSWER = (7, 8, 9, 10, b"eleven")


class Clerk(Floor):
    """Keeps every message until a test answers it."""

    inbox: ClassVar[list[Message]]

    def accept_message(self, port: Port, op: Op, message: Message) -> None:
        self.inbox.append(message)


class Deaf(Floor):
    """Has no place for messages."""

    accept_message = Driver.accept_message


@pytest.fixture
def bench() -> Bench:
    Clerk.inbox = []
    return Bench({"top": Teller, "clerk": Clerk}, ["top -> clerk"]).start()


def ask(bench: Bench, body: Body = QUESTION) -> tuple[Posted | None, list[tuple[int, Body]]]:
    top = bench.nodes["top"]
    answers: list[tuple[int, Body]] = []
    posted = top.messages.post(
        top.ports[0], Op.OID, body, lambda status, found: answers.append((status, found))
    )
    return posted, answers


def test_a_message_carries_its_body_there_and_another_one_back(bench: Bench) -> None:
    _, answers = ask(bench)
    bench.settle()
    assert Clerk.inbox[0].body == QUESTION
    assert answers == []
    Clerk.inbox[0].answer(Status.BUFFER_TOO_SHORT, ANSWER)
    bench.settle()
    assert answers == [(Status.BUFFER_TOO_SHORT, ANSWER)]
    assert bench.nodes["top"].messages.outstanding == 0
    assert (bench.held(), bench.kinds()) == ({}, [])


def test_a_message_that_is_answered_twice_comes_back_once(bench: Bench) -> None:
    _, answers = ask(bench)
    bench.settle()
    Clerk.inbox[0].answer(Status.SUCCESS, ANSWER)
    Clerk.inbox[0].answer(Status.FAILURE)
    bench.settle()
    assert answers == [(Status.SUCCESS, ANSWER)]
    assert bench.kinds() == [("clerk", "N6-OID-02")]


def test_more_messages_than_slots_wait_and_go_in_their_order(bench: Bench) -> None:
    count = 3 * MESSAGE_SLOTS
    asked = [ask(bench, (number, *QUESTION[1:]))[1] for number in range(count)]
    bench.settle()
    assert len(Clerk.inbox) == MESSAGE_SLOTS
    for seen in range(count):
        Clerk.inbox[seen].answer(Status.SUCCESS, ANSWER)
        bench.settle()
    assert [message.body[0] for message in Clerk.inbox] == list(range(count))
    assert asked == [[(Status.SUCCESS, ANSWER)]] * count


def test_a_waiting_message_can_be_withdrawn_and_one_that_is_out_cannot(bench: Bench) -> None:
    posted = [ask(bench)[0] for _ in range(MESSAGE_SLOTS + 1)]
    messages = bench.nodes["top"].messages
    assert posted[0] is not None
    assert posted[-1] is not None
    assert messages.withdraw(posted[-1])
    assert not messages.withdraw(posted[-1])
    assert not messages.withdraw(posted[0])
    bench.settle()
    assert len(Clerk.inbox) == MESSAGE_SLOTS


def test_too_many_waiting_messages_are_refused(bench: Bench) -> None:
    for _ in range(MESSAGE_SLOTS + QUEUE_LIMIT):
        assert ask(bench)[0] is not None
    assert ask(bench)[0] is None


def test_a_body_that_fits_no_slot_is_refused_before_anything_is_sent(bench: Bench) -> None:
    with pytest.raises(MessageTooLong, match="does not fit a slot"):
        ask(bench, (1, 2, 3, 4, 5, 6, bytes(4000)))
    assert bench.nodes["top"].messages.outstanding == 0


@pytest.mark.parametrize(
    "body", [(), (1,), (1, 2, 3, 4, 5, 6, "text"), (*QUESTION, 1)], ids=["empty", "short", "type", "long"]
)
def test_a_body_of_other_fields_is_counted_and_dropped(bench: Bench, body: Body) -> None:
    _, answers = ask(bench, body)
    bench.settle()
    assert Clerk.inbox == []
    assert answers == [(Status.FAILURE, ())]
    assert bench.counter("clerk", Counter.MALFORMED) == 1


@pytest.mark.parametrize("garbage", [b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x81\x01\x02", b"\x97\x01"])
def test_a_body_that_was_overwritten_is_counted_and_dropped(bench: Bench, garbage: bytes) -> None:
    posted, answers = ask(bench)
    assert posted is not None
    slot = posted.handle & 0xFFFFFFF
    arena = bench.nodes["top"].arena
    arena.cells[slot, : len(garbage)] = np.frombuffer(garbage, np.uint8)
    arena.nb_length[slot] = len(garbage)
    bench.settle()
    assert (Clerk.inbox, answers) == ([], [(Status.FAILURE, ())])


def test_a_driver_without_a_place_for_messages_says_so() -> None:
    bench = Bench({"top": Teller, "deaf": Deaf}, ["top -> deaf"]).start()
    _, answers = ask(bench)
    bench.settle()
    assert answers == [(Status.NOT_SUPPORTED, ())]


def test_messages_find_room_where_every_credit_is_in_use(bench: Bench) -> None:
    bench = Bench({"top": Teller, "clerk": (Clerk, {"hold": True})}, ["top -> clerk"], depth=16).start()
    top = bench.driver("top", Teller)
    top.send(16)
    asked = [ask(bench)[1] for _ in range(MESSAGE_SLOTS)]
    for number in range(1000):
        top.bindings[0].cancel_send_net_buffer_lists(number)
    bench.settle()
    assert len(Clerk.inbox) == MESSAGE_SLOTS
    for message in Clerk.inbox:
        message.answer(Status.SUCCESS, ANSWER)
    bench.driver("clerk", Clerk).complete()
    bench.settle()
    assert asked == [[(Status.SUCCESS, ANSWER)]] * MESSAGE_SLOTS
    assert len(top.back) == 16


def test_messages_are_no_packets_of_the_run(bench: Bench) -> None:
    ask(bench)
    bench.settle()
    top = bench.nodes["top"]
    assert top.ports[0].outstanding == 0
    assert top.ports[0].asked == 1
    assert top.ports[0].idle
    assert bench.counter("top", Counter.SENT) == 0
