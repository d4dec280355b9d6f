"""Recorded events, as `rae-auto event list` shows them."""

import json
from collections.abc import Iterable, Mapping
from datetime import tzinfo
from typing import Any

from rae_auto.views.tables import instant

EVENT_HEADERS = ("at", "name", "data")


def event_rows(events: Iterable[Mapping[str, Any]], zone: tzinfo | None) -> list[tuple[str, str, str]]:
    """Return a row for each event, with times in `zone`."""
    return [(instant(event["at"], zone), event["name"], _data(event["data"])) for event in events]


def _data(data: Mapping[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) if data else ""
