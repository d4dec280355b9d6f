"""Notices that are not delivered yet, as `rae-auto notify outbox` shows them."""

from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from rae_auto.views.tables import instant

NOTICE_HEADERS = ("notifier", "state", "decided", "next", "tries", "notice", "error")


def notice_rows(notices: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> list[tuple[str, ...]]:
    """Return a row for each notice, with times in `zone`; `next` is when it is delivered, or tried again."""
    return [
        (
            notice["notifier"],
            notice["state"].replace("_", " "),
            instant(notice["decided_at"], zone),
            instant(_next_at(notice), zone),
            str(notice["tries"]),
            notice["text"],
            notice["error"],
        )
        for notice in notices
    ]


def _next_at(notice: Mapping[str, Any]) -> str | None:
    at: str | None = notice["next_try_at"] or notice["held_until"]
    return None if notice["given_up_at"] else at
