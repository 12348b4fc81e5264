from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shm.layout import CACHE_LINE, Layout, words_of

FIELDS = st.lists(
    st.tuples(st.sampled_from(["u1", "u2", "u4", "u8"]), st.lists(st.integers(1, 7), max_size=3)), max_size=12
)


def build(fields: list[tuple[str, list[int]]]) -> Layout:
    layout = Layout()
    for number, (dtype, shape) in enumerate(fields):
        layout.add(f"f{number}", dtype, *shape)
    return layout


@given(FIELDS)
def test_fields_start_on_cache_lines_and_never_overlap(fields: list[tuple[str, list[int]]]) -> None:
    layout = Layout()
    taken = 0
    for number, (dtype, shape) in enumerate(fields):
        field = layout.add(f"f{number}", dtype, *shape)
        assert field.offset % CACHE_LINE == 0
        assert field.offset >= taken
        taken = field.offset + field.length
    assert layout.size % CACHE_LINE == 0
    assert taken <= layout.size < taken + CACHE_LINE


@given(FIELDS)
def test_what_is_stored_in_one_field_shows_in_no_other(fields: list[tuple[str, list[int]]]) -> None:
    layout = build(fields)
    arrays = layout.map(memoryview(bytearray(layout.size)))
    for number, array in enumerate(arrays.values(), start=1):
        array[...] = number
    again = {name: np.unique(array).tolist() for name, array in arrays.items()}
    assert again == {f"f{index}": [index + 1] for index in range(len(fields))}


def test_the_same_fields_give_the_same_offsets_everywhere() -> None:
    fields = [("u8", [3, 5]), ("u1", [2048]), ("u4", [7])]
    assert [build(fields).map(memoryview(bytearray(4096))).keys()] == [
        build(fields).map(memoryview(bytearray(4096))).keys()
    ]
    assert build(fields).size == build(fields).size


def test_a_name_can_be_used_once() -> None:
    layout = Layout()
    layout.add("handle", "u8", 4)
    with pytest.raises(ValueError, match="'handle' is in the layout already"):
        layout.add("handle", "u4", 4)


def test_a_buffer_that_is_too_short_is_refused() -> None:
    layout = build([("u8", [9])])
    with pytest.raises(ValueError, match="needs 128 bytes, the buffer has 127"):
        layout.map(memoryview(bytearray(127)))


def test_words_are_the_array_itself() -> None:
    array = np.zeros((2, 3), np.uint64)
    words = words_of(array)
    words[4] = 1 << 63
    assert array[1, 1] == 1 << 63
    assert len(words) == 6
