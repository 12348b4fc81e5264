"""What nodes counted reaches the tools of HdrHistogram whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from numpy.typing import NDArray

from nodes.metrics import HistogramRow
from orchestrator.hdr import FOLDER, LOG, histograms_of, to_hdr, write_histograms
from orchestrator.outcome import look
from orchestrator.run import launch
from shm.histogram import BUCKETS, Histogram, bucket_of
from tests.orchestrator.stacks import stack
from tests.orchestrator.synthetic import FakeRun


def back_from(histogram: HdrHistogram) -> NDArray[np.uint64]:
    """Return the buckets that an HdrHistogram was made of."""
    buckets = np.zeros(BUCKETS, np.uint64)
    for found in histogram.get_recorded_iterator():
        middle = histogram.get_lowest_equivalent_value(found.value_iterated_to)
        buckets[bucket_of(np.array([middle], np.uint64))] += np.uint64(found.count_added_in_this_iter_step)
    return buckets


@pytest.mark.parametrize("seed", range(5))
def test_every_bucket_can_be_told_again_with_its_count(seed: int) -> None:
    draw = np.random.default_rng(seed)
    histogram = Histogram(np.zeros(BUCKETS, np.uint64))
    histogram.record(np.exp(draw.uniform(0, 30, 5000)).astype(np.uint64))
    histogram.record(np.arange(200, dtype=np.uint64))
    assert (back_from(to_hdr(histogram.counts)) == histogram.counts).all()


def test_a_log_brings_each_histogram_back_by_its_name(tmp_path: Path) -> None:
    run = FakeRun()
    run.send_and_complete(1000)
    run.record("top", HistogramRow.ONE_WAY, [7_000, 9_000])
    expected = histograms_of(run.observe())
    write_histograms(run.observe(), 2.0, tmp_path)
    lines = [line for line in (tmp_path / LOG).read_text().splitlines() if line.startswith("Tag=")]
    found = {line.split(",")[0].removeprefix("Tag="): line.rpartition(",")[2] for line in lines}
    assert list(found) == list(expected)
    assert {line.split(",")[2] for line in lines} == {"2.000000"}
    for name, encoded in found.items():
        assert (back_from(HdrHistogram.decode(encoded)) == expected[name]).all()


def test_there_is_one_for_each_sender_node_and_edge_but_not_where_packets_pass_undisturbed() -> None:
    with launch(stack(packets=200, filters=1), mode="inline") as run:
        run.wait()
    found = {name: int(buckets.sum()) for name, buckets in histograms_of(look(run)).items()}
    assert found == {
        "latency": 200,
        "latency.source": 200,
        "held.bottom": 200,
        "edge.filter0.bottom.down": 200,
    }


def test_times_upwards_belong_to_the_node_above(tmp_path: Path) -> None:
    run = FakeRun()
    run.record_held("top", 0, [1_000] * 3)
    run.record_held("nic", 0, [2_000] * 4)
    found = {name: int(buckets.sum()) for name, buckets in histograms_of(run.observe()).items()}
    assert found == {"held.top": 3, "edge.top.nic.up": 3, "held.nic": 4, "edge.top.nic.down": 4}


def test_a_table_says_percentiles_in_ns_and_replaces_those_of_an_earlier_run(tmp_path: Path) -> None:
    old = tmp_path / FOLDER / "held.gone.hgrm"
    old.parent.mkdir()
    old.write_text("old")
    run = FakeRun()
    run.send_and_complete(1000)
    write_histograms(run.observe(), 2.0, tmp_path)
    assert not old.exists()
    rows = (tmp_path / FOLDER / "latency.top.hgrm").read_text().splitlines()
    assert rows[0].split() == ["Value", "Percentile", "TotalCount", "1/(1-Percentile)"]
    value, percentile, count = rows[2].split()[:3]
    assert (float(value), float(percentile), int(count)) == (pytest.approx(10_000, rel=1 / 32), 0, 1000)
    assert rows[-2].split()[-1] == "1000.00]"
