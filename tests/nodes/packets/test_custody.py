from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from nodes.crossings.crossing import OP_INFO, Op
from nodes.packets.chain import NblChain
from tests.nodes.hands import Hands

SLOTS = 8


class CustodyModel(RuleBasedStateMachine):
    """Receive and release in any order against the set of handles that are held."""

    def __init__(self) -> None:
        super().__init__()
        self.hands = Hands(SLOTS)
        handles = self.hands.pool.allocate(SLOTS, 60)
        self.chain = NblChain(handles, self.hands.arena.current(handles), self.hands.custody)
        self.held: set[int] = set()
        self.complaints: list[tuple[str, int]] = []

    def some(self, indices: list[int]) -> NblChain:
        mask = [index in indices for index in range(SLOTS)]
        return NblChain(self.chain.handles[mask], self.chain.slots[mask], self.hands.custody)

    @precondition(lambda self: len(self.held) < SLOTS)
    @rule(data=st.data())
    def receive(self, data: st.DataObject) -> None:
        free = [index for index in range(SLOTS) if int(self.chain.handles[index]) not in self.held]
        chain = self.some(data.draw(st.lists(st.sampled_from(free), unique=True)))
        self.hands.custody.receive(chain.handles, chain.slots)
        self.held |= set(chain.handles.tolist())

    @rule(indices=st.lists(st.integers(0, SLOTS - 1), unique=True))
    def release(self, indices: list[int]) -> None:
        chain = self.some(indices)
        handles = chain.handles.tolist()
        mask = self.hands.custody.release(chain.handles, chain.slots, OP_INFO[Op.RETURN])
        good = [handle in self.held for handle in handles]
        assert (mask is None and all(good)) or (mask is not None and mask.tolist() == good)
        self.complaints += [("N6-RX-04", handle) for handle in handles if handle not in self.held]
        self.held -= set(handles)

    @invariant()
    def held_and_complaints_are_as_modelled(self) -> None:
        custody = self.hands.custody
        for index, handle in enumerate(self.chain.handles.tolist()):
            one = self.some([index])
            assert custody.holds(one.handles, one.slots) == (handle in self.held)
        assert custody.count == len(self.held)
        assert self.hands.complaints == self.complaints


class TestCustodyModel(CustodyModel.TestCase):  # type: ignore[misc, name-defined]
    settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


def test_a_complaint_tells_what_became_of_the_packet() -> None:
    hands = Hands()
    sent, freed = hands.give_away(hands.allocate(1)), hands.give_away(hands.allocate(1))
    hands.pool.free(freed.handles)
    hands.custody.check(sent.handles, sent.slots)
    hands.custody.check(freed.handles, freed.slots)
    assert [rule for rule, _ in hands.complaints] == ["N6-SEND-03", "N6-SEND-03"]
    assert "is not in this driver's hands (given away before?)" in hands.messages[0]
    assert "was freed" in hands.messages[1]


def test_an_earlier_use_of_a_slot_is_not_the_packet_held_there_now() -> None:
    hands = Hands()
    old = hands.give_away(hands.allocate(1))
    hands.pool.free(old.handles)
    new = hands.allocate(1)
    assert old.slots.tolist() == new.slots.tolist()
    assert not hands.custody.holds(old.handles, old.slots)
    assert hands.custody.holds(new.handles, new.slots)


def test_at_level_0_accesses_are_not_looked_at() -> None:
    hands = Hands(4, level=0)
    chain = hands.allocate(2)
    hands.give_away(chain)
    assert hands.custody.check(chain.handles, chain.slots) is None
    assert hands.custody.check_one(int(chain.handles[0]), int(chain.slots[0]))
    assert hands.complaints == []
