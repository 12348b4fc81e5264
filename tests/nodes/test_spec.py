from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.spec import EdgeSpec, NodeSpec, RingSpec

U64 = st.integers(0, (1 << 64) - 1)
NAMES = st.text("abc-_019", min_size=1, max_size=32)
OPTIONS = st.dictionaries(
    st.text(max_size=9),
    st.none() | st.booleans() | U64 | st.floats(allow_nan=False) | st.lists(U64, max_size=3),
)
RINGS = st.builds(RingSpec, U64, U64, U64, U64)


def numbers(of: type[Any]) -> dict[str, st.SearchStrategy[int]]:
    """Draw every whole number of a spec from what msgpack can carry."""
    return {field.name: U64 for field in fields(of) if field.type == "int"}


EDGES = st.builds(EdgeSpec, **numbers(EdgeSpec), produce=RINGS, consume=RINGS, options=OPTIONS)
SPECS = st.builds(
    NodeSpec,
    **numbers(NodeSpec),
    name=NAMES,
    options=OPTIONS,
    secret=st.binary(max_size=32),
    segments=st.dictionaries(NAMES, NAMES, max_size=3),
    edges=st.lists(EDGES, max_size=3).map(tuple),
)


@given(SPECS)
def test_a_spec_arrives_as_it_was_made(spec: NodeSpec) -> None:
    assert NodeSpec.unpack(spec.pack()) == spec


@given(SPECS)
def test_a_spec_of_another_build_is_refused(spec: NodeSpec) -> None:
    packed = msgpack.unpackb(spec.pack())
    with pytest.raises(TypeError, match="unexpected keyword argument 'surprise'"):
        NodeSpec.unpack(msgpack.packb({**packed, "surprise": 1}))
    del packed["edges"]
    with pytest.raises(KeyError):
        NodeSpec.unpack(msgpack.packb(packed))


@given(SPECS)
def test_specs_are_values(spec: NodeSpec) -> None:
    assert replace(spec, name="other-name-of-33-characters-at-all") != spec
