"""The page of a report as text: what it says, in which order, and that nothing in a report becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from orchestrator.machine_model import BottleneckPart, MachinePart, ProcessorPart
from orchestrator.page import to_html
from orchestrator.page.page import MORE_OF_A_KIND
from orchestrator.page.spectrum import Scale, spectrum_of, strips_of
from orchestrator.report_model import ConservationPart, FaultPart, Report, ThresholdPart
from orchestrator.setup_model import SetupPart
from tests.orchestrator.page.reports import (
    EVIL,
    event,
    eventful,
    fan_in,
    latency,
    phase,
    quickstart,
    series,
    slowest,
    small,
    stack,
    violation,
)

SETUP = SetupPart(level=2, levels={}, on_violation="stop", force={}, policy={}, notify="armed")


class Reader(HTMLParser):
    """Reads a page as a browser would: elements, attributes, text by section, scripts."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.styles: list[str] = []
        self._raw: str | None = None
        self._text: list[str] = []
        self.feed(page)
        self.text = " ".join(" ".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._raw = tag if tag in ("script", "style") else None
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._raw = None

    def handle_data(self, data: str) -> None:
        if self._raw == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        elif self._raw == "style":
            self.styles.append(data)
        else:
            self._text.append(data)

    def data(self) -> Report:
        return Report.model_validate_json(self.scripts[0][1])

    def sections(self) -> list[str | None]:
        return [attributes.get("id") for tag, attributes in self.elements if tag == "section"]

    def charts(self) -> list[str | None]:
        return [attributes["data-chart"] for _, attributes in self.elements if "data-chart" in attributes]


def read(report: Report) -> Reader:
    return Reader(to_html(report))


def test_the_machine_and_what_set_the_pace_are_told() -> None:
    text = "mux was busy 98% of the time, longer than any other node"
    report = small()
    nic = report.nodes["nic"].model_copy(update={"processor": ProcessorPart(running=0.417, waiting=0.085)})
    page = read(
        report.model_copy(
            update={
                "nodes": report.nodes | {"nic": nic},
                "machine": MachinePart(processors=2, running=0.417, waiting=0.085, others=0.1),
                "bottleneck": BottleneckPart(kind="layer", node="mux", text=text),
            }
        )
    )
    assert f"What set the pace, layer: {text}." in page.text
    assert "max ran waited" in page.text
    assert "42% 8%" in page.text


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        ("pass", "PASS demo run 0123abcd"),
        ("thresholds", "A threshold was not met."),
        ("violations", "The contract was violated"),
        ("void", "The load generator or the machine was the bottleneck"),
        ("failed", "The run broke off."),
    ],
)
def test_the_verdict_comes_first(verdict: str, says: str) -> None:
    page = read(small(verdict=verdict))
    assert says in page.text[:250]
    assert f"exit code {small(verdict=verdict).exit_code}" in page.text


def test_then_conservation_as_an_equation() -> None:
    conservation = ConservationPart(
        accepted=1_234_567, completed=1_234_000, in_flight=500, lost=67, duplicated=3
    )
    page = read(small(conservation=conservation))
    assert "1,234,567 accepted = 1,234,000 completed + 500 in flight + 67 lost 3 duplicated" in page.text
    assert page.sections()[0] == "conservation"


def test_a_page_has_all_its_parts_in_order() -> None:
    report = eventful().model_copy(
        update={
            "thresholds": [ThresholdPart(condition="lost == 0", passed=True, measured=0, unit="count")],
            "violations": [violation()],
            "violation_count": 1,
            "phases": [phase("peak", ["bulk"])],
        }
    )
    assert read(report).sections() == [
        *("conservation", "thresholds", "violations", "stack", "events", "time"),
        *("slowest", "spectrum", "phases", "nodes", "edges", "statuses", "received"),
    ]


def test_parts_with_nothing_to_show_are_left_out() -> None:
    nothing = latency(count=0)
    page = read(small(latency_us=nothing, one_way_us=nothing))
    left_out = {"thresholds", "violations", "events", "slowest", "spectrum", "phases"}
    assert left_out & set(page.sections()) == set()
    assert page.charts() == []
    assert "The run was too short for curves" in page.text


def test_phases_say_whose_they_are_when_they_were_on_and_what_came_of_them() -> None:
    rows = [
        phase("peak", ["bulk", "voice"]),
        phase("3", ["voice"], rate_pps=None, planned_us=latency(count=0), latency_us=latency(times=2)),
        phase("3", ["a", "b", "c", "d"], began=None, ended=None, throughput_pps=None, sent=0, completed=0),
    ]
    text = read(small(phases=rows)).text
    assert "peak bulk, voice 20ms 50ms 12.0 k/s 1,300 1,299 11.3 k/s 10us 900us 9ms 40ms" in text
    assert "voice/3 voice 20ms 50ms max 1,300 1,299 11.3 k/s 20us 1.8ms 18ms 80ms" in text
    assert "a/3 4 senders - - 12.0 k/s 0 0 - " in text


def test_thresholds_say_what_was_measured_in_their_units() -> None:
    rows = [
        ThresholdPart(condition="latency.p99 < 5ms", passed=False, measured=7_250.0, unit="us"),
        ThresholdPart(condition="throughput_pps > 1", passed=True, measured=134_065.2, unit="pps"),
        ThresholdPart(condition="lost == 0", passed=True, measured=0.0, unit="count"),
        ThresholdPart(condition="fairness.jain >= 0.9", passed=True, measured=0.98765, unit="ratio"),
        ThresholdPart(condition="latency.max < 1s", passed=False, measured=None, unit="us"),
    ]
    text = read(small(thresholds=rows)).text
    assert "latency.p99 < 5ms not met 7.25ms throughput_pps > 1 met 134 k/s lost == 0 met 0" in text
    assert "fairness.jain >= 0.9 met 0.988 latency.max < 1s not met nothing" in text


def test_events_say_what_happened_where_from_when_to_when_and_what_came_of_it() -> None:
    text = read(eventful()).text
    for row in (
        "1 drop lossy nic0 -> nic1 400ms 5s 1,234 hit",
        "2 N6-SEND-10 nic0 4.1s 4.3s packet 0 was completed twice, and 2 more",
        "3 pause nic0 7s 7.02s",
        "4 reset nic1 9s end",
        "5 bug-check mux 9.05s",
    ):
        assert row in text


def test_the_page_ends_with_how_it_was_run() -> None:
    setup = SETUP.model_copy(update={"command": "ndisim run a.yml --force delay", "force": {"delay": "1ms"}})
    page = read(small(setup=setup))
    assert page.sections()[-1] == "setup"
    assert (
        "command ndisim run a.yml --force delay seed 7 mode processes, 2 nodes verify level 2 (leaks)"
        in page.text
    )
    assert "on violation stop forced delay 1ms policy as proposed notify armed" in page.text
    assert "setup" not in read(small(setup=None)).sections()


def test_the_slowest_packets_are_told_with_the_layers_that_held_them() -> None:
    text = read(quickstart()).text
    assert "10ms bulk 0x2000000000000 1s mux 9ms nic0 8ms 10ms bulk 0x2000000000001" in text
    assert "10ms bulk 0x2000000000002 1s" in text


def test_a_fault_whose_time_did_not_come_is_named() -> None:
    never = FaultPart(name="late", kind="hold", where="a -> b", began=None, ended=None, hit=0)
    assert "Faults whose time did not come: late (hold on a -> b)." in read(small(faults=[never])).text


def test_of_very_many_events_the_first_are_listed() -> None:
    many = [event("operation", "pause", "nic", 0.001 * number, 0.001 * number) for number in range(450)]
    page = read(small(events=many))
    assert "These are the first 200 of 450" in page.text
    assert len(page.data().events) == 450


def test_a_violation_is_told_whole_with_its_history_and_its_document() -> None:
    page = read(small(violations=[violation()], violation_count=1, verdict="violations"))
    for text in (
        "1 violation of the contract",
        "N6-SEND-10 fatal nic : packet 0 was completed twice",
        "at driver.py:7 driver.py:2",
        "expected Every send that came in is completed exactly once.",
        "history +0.0us top handed over send on top -> nic +9.0us nic completed it",
        "look next Find the second completion.",
        "known as NdisMSendNetBufferListsComplete",
    ):
        assert text in page.text
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links == ["https://learn.microsoft.com/windows-hardware/drivers/"]


def test_violations_alike_are_one_kind_and_the_next_ones_keep_their_histories() -> None:
    many = [violation(number) for number in range(40)]
    page = read(small(violations=[*many, violation(99, source="other.py:1")], violation_count=2_000))
    assert page.text.count("look next") == 2
    assert (
        f"39 more like it, the first {MORE_OF_A_KIND} of them here, all in the data of this page" in page.text
    )
    assert page.text.count("nic completed it") == 1 + MORE_OF_A_KIND + 1
    assert "The report keeps the first 41 of them." in page.text
    assert len(page.data().violations) == 41


def test_the_report_can_be_read_back_from_its_page() -> None:
    assert read(quickstart()).data() == quickstart()


def test_senders_alike_are_compared() -> None:
    page = read(fan_in(57))
    assert "fairness" in page.sections()
    assert "Jain's index over 57 senders 0.877" in page.text
    assert "longest without a completion: sender-0 250ms" in page.text
    bars = [
        attributes for tag, attributes in page.elements if tag == "rect" and attributes.get("class") == "bar"
    ]
    assert [bars[0]["height"], len(bars)] == ["100.0", 57]
    assert "sender-56: 57,000" in page.text


def test_one_sender_and_senders_of_several_drivers_are_not_compared() -> None:
    assert "fairness" not in read(small()).sections()
    report = fan_in(3)
    other = report.nodes["sender-0"].model_copy(update={"driver": "pcap-replay"})
    mixed = report.model_copy(update={"nodes": report.nodes | {"sender-0": other}})
    assert "fairness" not in read(mixed).sections()


def test_senders_that_were_late_are_told_at_the_top() -> None:
    report = fan_in(3)
    lags = {"sender-0": (120, 2_500), "sender-2": (30, 9_000)}
    late = {
        name: report.nodes[name].model_copy(
            update={
                "counters": report.nodes[name].counters
                | {"late": count, "planned": 1_000, "worst_lag_us": lag}
            }
        )
        for name, (count, lag) in lags.items()
    }
    several = report.model_copy(update={"nodes": report.nodes | late})
    one = report.model_copy(update={"nodes": report.nodes | {"sender-0": late["sender-0"]}})
    for found, says in (
        (
            several,
            "2 senders sent 150 of 2,000 planned packets late for want of processor, the worst by 9ms (sender-2).",
        ),
        (one, "sender-0 sent 120 of 1,000 planned packets late for want of processor, the worst by 2.5ms."),
    ):
        assert f"{says} Conservation" in read(found).text


def test_charts_are_there_for_what_was_measured() -> None:
    assert read(quickstart()).charts() == ["throughput", "latency", "in_flight", "edges", "occupancy", "held"]
    idle = [row.model_copy(update={"p50_us": None, "edges": {}, "nodes": {}}) for row in series([], [])]
    assert read(small(series=idle)).charts() == ["throughput", "in_flight"]
    assert read(small(series=series(["top"], ["top -> nic"], rows=1))).charts() == []


def evil() -> Report:
    """Return a report with markup wherever a driver or a file could put it."""
    base = stack({"a": "traffic", "b": "miniport"}, ["a -> b"])
    bad = base.nodes["a"].model_copy(update={"driver": EVIL, "state": EVIL, "kind": EVIL})
    parts = {
        "nodes": {EVIL: bad, "b": base.nodes["b"]},
        "edges": [base.edges[0].model_copy(update={"upper": EVIL, "kind": EVIL})],
        "run": base.run.model_copy(update={"name": EVIL, "id": EVIL}),
        "error": EVIL,
        "ended": EVIL,
        "statuses": {EVIL: 3},
        "violations": [
            violation(
                message=EVIL,
                history=[EVIL],
                look=EVIL,
                expected=EVIL,
                stack=[EVIL],
                document=f"javascript:{EVIL}",
            ),
            violation(1, message=EVIL, history=[EVIL]),
        ],
        "violation_count": 2,
        "thresholds": [ThresholdPart(condition=EVIL, passed=False, measured=None, unit="count")],
        "series": series([EVIL], [EVIL]),
        "slowest": slowest(EVIL, [EVIL]),
        "setup": SETUP.model_copy(update={"command": EVIL, "levels": {EVIL: 3}}),
        "events": [
            event("fault", EVIL, EVIL, 0, None, name=EVIL),
            event("death", EVIL, EVIL, 1, 1, result=EVIL),
        ],
    }
    return base.model_copy(update=parts)


def test_no_text_of_a_report_becomes_markup_or_script() -> None:
    page = read(evil())
    assert {tag for tag, _ in page.elements} & {"img", "a"} == set()
    assert len(page.scripts) == 3
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert page.text.count(EVIL) > 10
    assert page.data() == evil()


def test_a_page_lets_in_only_what_it_was_written_with() -> None:
    page = read(quickstart())
    (policy,) = [
        attributes["content"]
        for tag, attributes in page.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    hashes = {
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in [*(text for _, text in page.scripts[1:]), *page.styles]
    }
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert set(re.findall(r"'sha256-([^']+)'", policy)) == hashes
    assert "unsafe" not in policy


def test_a_page_names_no_other_file() -> None:
    page = read(quickstart())
    assert not [attributes for _, attributes in page.elements if {"src", "href", "style"} & set(attributes)]
    assert "@import" not in page.styles[0]
    assert "url(" not in page.styles[0]


def test_the_page_carries_the_licence_of_what_it_contains() -> None:
    (library,) = [text for _, text in read(small()).scripts if "var uPlot" in text]
    assert library.startswith("/*\nThe MIT License (MIT)")
    assert "Leon Sorokin" in library


def test_large_stacks_give_pages_of_a_size_that_opens() -> None:
    assert len(to_html(fan_in(300))) < 1_500_000


def test_a_scale_holds_whole_decades() -> None:
    scale = Scale.over([3.0, None, 4_500.0])
    assert scale.decades == [1.0, 10.0, 100.0, 1_000.0, 10_000.0]
    assert (scale.share(1.0), scale.share(100.0), scale.share(10_000.0)) == (0.0, 0.5, 1.0)
    assert Scale.over([]).decades == [1.0, 10.0]
    assert Scale.over([0.0]).share(0.0) == 0.0
    assert Scale.over([100.0]).decades == [100.0, 1_000.0]


def test_the_spectrum_rises_from_p50_to_max_and_has_a_curve_for_each_duration() -> None:
    spectrum = spectrum_of(small(latency_us=latency(), one_way_us=latency(times=0.5)))
    assert spectrum is not None
    assert [curve.name for curve in spectrum.curves] == ["latency", "one way"]
    for curve in spectrum.curves:
        assert len(curve.points) == len(spectrum.across) == 5
        assert all(left[0] < right[0] and left[1] > right[1] for left, right in pairwise(curve.points))


def test_the_spectrum_names_the_floor_of_the_machine_where_it_is_known() -> None:
    known = small().floor_us.model_copy(update={"clock": 0.04, "wake_p50": 55.0, "wake_p90": 120.0})
    says = "Floor of this machine: clock step 40ns; a sleeper wakes 55us late (p50), 120us (p90)."
    assert says in read(small(floor_us=known)).text
    unknown = known.model_copy(update=dict.fromkeys(("clock", "wake_p50", "wake_p90")))
    assert "Floor" not in read(small(floor_us=unknown)).text


def test_strips_are_on_one_scale() -> None:
    strips, ticks = strips_of(quickstart())
    assert set(strips) == {"mux", "nic0", "nic1"}
    assert all(0 <= of.p50 < of.p99 < of.max <= 1 for of in strips.values())
    assert strips["mux"].p50 < strips["nic1"].p50
    assert [tick.label for tick in ticks] == ["10us", "100us", "1ms"]


def test_data_is_json_without_a_sign_that_markup_begins_with() -> None:
    (data,) = re.findall(
        r'<script type="application/json" id="report">(.*?)</script>', to_html(evil()), re.DOTALL
    )
    assert not set("<>&") & set(data)
    assert json.loads(data)["error"] == EVIL
