from __future__ import annotations

from nodes.status import SEND_STATUSES, UNSET, Status, status_name


def test_a_send_never_completes_as_pending_or_unset() -> None:
    assert Status.PENDING not in SEND_STATUSES
    assert UNSET not in SEND_STATUSES
    assert UNSET not in {int(status) for status in Status}


def test_statuses_keep_their_windows_values() -> None:
    windows = {"SUCCESS": 0, "PENDING": 0x103, "RESOURCES": 0xC000009A, "PAUSED": 0xC023002A}
    assert {name: Status[name].value for name in windows} == windows


def test_a_status_without_a_name_shows_its_value() -> None:
    assert status_name(0xC000009A) == "RESOURCES"
    assert status_name(0xDEAD) == "0x0000dead"
