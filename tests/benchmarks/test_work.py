"""The benchmark's own work: what is lost or changed is noticed, and both ways to write a packet agree."""

from __future__ import annotations

import numpy as np
import pytest

from orchestrator.bench.harness import disagreement
from orchestrator.bench.work import PACKET_BYTES, PACKET_WORDS, Generator, Job, Load, Reader, Tally, words_of


def written(chain: int, chains: int) -> np.ndarray:
    generator = Generator(chain)
    cells = np.zeros((chains * chain, PACKET_WORDS), dtype=np.uint32)
    for index in range(chains):
        generator.fill(cells[index * chain : (index + 1) * chain])
    return cells


def test_a_reader_of_every_header_agrees_with_the_generator() -> None:
    generator, reader = Generator(32), Reader()
    cells = np.zeros((32, PACKET_WORDS), dtype=np.uint32)
    for _ in range(100):
        generator.fill(cells)
        reader.read(cells)
    assert reader.tally() == generator.expected()


def test_one_packet_at_a_time_is_the_same_work_as_a_chain_of_one() -> None:
    generator, reader = Generator(1), Reader()
    cell = bytearray(PACKET_BYTES)
    seen = []
    for _ in range(100):
        generator.fill_one(memoryview(cell))
        seen.append(bytes(cell))
        reader.read_one(cell)
    assert reader.tally() == generator.expected()
    assert b"".join(seen) == written(1, 100).tobytes()


def test_no_two_packets_are_alike() -> None:
    cells = written(32, 8)
    assert len({row.tobytes() for row in cells}) == len(cells)


def test_every_word_of_a_cell_is_written() -> None:
    assert np.count_nonzero(written(64, 1)[:, 2:] == 0) < 5


def test_cells_need_not_be_adjacent() -> None:
    apart = np.zeros((8, PACKET_WORDS + 100), dtype=np.uint32)
    Generator(8).fill(apart[:, :PACKET_WORDS])
    assert np.array_equal(apart[:, :PACKET_WORDS], written(8, 1))


@pytest.mark.parametrize("word", [0, 1, 2, 15])
def test_a_changed_header_word_is_noticed(word: int) -> None:
    generator, reader = Generator(4), Reader()
    cells = np.zeros((4, PACKET_WORDS), dtype=np.uint32)
    generator.fill(cells)
    cells[2, word] ^= 1
    ids = reader.read(cells)
    completed = Tally(len(ids), int(ids.sum()), 0)
    assert disagreement(generator.expected(), reader.tally(), completed) is not None


@pytest.mark.parametrize(
    ("seen", "completed", "said"),
    [
        (Tally(3, 6, 9), Tally(4, 6, 0), "sent 4 packets, read 3, completed 4"),
        (Tally(4, 6, 9), Tally(3, 6, 0), "sent 4 packets, read 4, completed 3"),
        (Tally(4, 6, 9), Tally(4, 7, 0), "a sequence number was lost, repeated or changed on the way"),
        (Tally(4, 6, 8), Tally(4, 6, 0), "a header was changed on the way"),
        (Tally(4, 6, 9), Tally(4, 6, 0), None),
    ],
)
def test_a_figure_counts_only_when_all_sides_agree(seen: Tally, completed: Tally, said: str | None) -> None:
    assert disagreement(Tally(4, 6, 9), seen, completed) == said


@pytest.mark.parametrize(
    ("chain", "packets", "seconds"), [(0, 1, 1.0), (4097, 1, 1.0), (1, 0, 1.0), (1, 1, 0.0)]
)
def test_a_load_that_cannot_move_is_refused(chain: int, packets: int, seconds: float) -> None:
    with pytest.raises(ValueError, match=r"chain|empty"):
        Load(Job.PAIR, chain, packets, seconds)


def test_a_view_of_bytes_has_one_row_per_packet() -> None:
    assert words_of(bytes(3 * PACKET_BYTES)).shape == (3, PACKET_WORDS)
