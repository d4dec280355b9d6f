"""A fake ActivityWatch on loopback: buckets, heartbeats that extend the last event, and the REST interface."""

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


class FakeActivityWatch:
    """A server of recorded events. An `old` one omits events that began before the requested time."""

    def __init__(self, *, old: bool = False, api_key: str | None = None) -> None:
        self.old, self.api_key = old, api_key
        self.kinds: dict[str, tuple[str, str]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        self.answer: bytes | None = None
        """Response to each request, if set."""

    def bucket(self, name: str, kind: str, host: str) -> None:
        self.kinds[name] = (kind, host)
        self.events[name] = []

    def heartbeat(self, bucket: str, at: datetime, data: Mapping[str, Any], pulse: float = 60) -> None:
        """Extend the last event if the data is equal and it ended within `pulse` seconds, or add a new one."""
        events = self.events[bucket]
        if events and events[-1]["data"] == data and at - _end(events[-1]) <= timedelta(seconds=pulse):
            events[-1]["duration"] = (at - events[-1]["timestamp"]).total_seconds()
        else:
            events.append({"id": len(events), "timestamp": at, "duration": 0.0, "data": data})

    def record(self, bucket: str, start: datetime, end: datetime, data: Mapping[str, Any]) -> None:
        self.events[bucket].append({"timestamp": start, "duration": (end - start).total_seconds(), "data": data})

    def get(self, path: str) -> Any:
        parts = urlsplit(path)
        if parts.path == "/api/0/buckets/":
            return {name: {"id": name, "type": kind, "hostname": host} for name, (kind, host) in self.kinds.items()}
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        start, end = datetime.fromisoformat(asked["start"]), datetime.fromisoformat(asked["end"])
        found = [
            {**event, "timestamp": event["timestamp"].isoformat()}
            for event in self.events[parts.path.split("/")[4]]
            if (event["timestamp"] if self.old else _end(event)) >= start and event["timestamp"] <= end
        ]
        return found[::-1]

    @contextmanager
    def serving(self, port: int = 0) -> Iterator[str]:
        """Serve within the block, and return the address."""
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake.asked.append(self.path)
                status, body = 200, fake.answer
                if self.headers["Host"].partition(":")[0] not in ("127.0.0.1", "localhost"):
                    status, body = 400, b"{}"
                elif fake.api_key and self.headers["Authorization"] != f"Bearer {fake.api_key}":
                    status, body = 401, b"{}"
                content = json.dumps(fake.get(self.path)).encode() if body is None else body
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


def _end(event: Mapping[str, Any]) -> datetime:
    end: datetime = event["timestamp"] + timedelta(seconds=event["duration"])
    return end
