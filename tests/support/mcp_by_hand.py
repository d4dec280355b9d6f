"""A client of `rae-auto mcp` that writes what it likes, as lines of JSON: the official one forges nothing.

It is also a program, for jobs: `python mcp_by_hand.py PROTOCOL CLIENT_INFO META CALLS COMMAND…`. It needs
the standard library alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
PROTOCOLS = (HANDSHAKE, STATELESS)


def call_tools(
    command: Sequence[str],
    environment: Mapping[str, str],
    protocol: str,
    calls: Sequence[tuple[str, Mapping[str, Any]]],
    *,
    client_info: Mapping[str, Any] | None,
    meta: Mapping[str, Any],
) -> list[Any]:
    """Return the whole answers of a server that is started by a command, to calls of tools with their arguments."""
    envelope = dict(meta)
    if protocol == STATELESS:
        envelope["io.modelcontextprotocol/protocolVersion"] = protocol
        envelope["io.modelcontextprotocol/clientCapabilities"] = {}
        if client_info is not None:
            envelope["io.modelcontextprotocol/clientInfo"] = client_info
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1, env=dict(environment)
    ) as process:
        if protocol == HANDSHAKE:
            about = {"protocolVersion": protocol, "capabilities": {}, "clientInfo": client_info}
            _ask(process, 0, "initialize", about)
            _write(process, {"method": "notifications/initialized"})
        answers = [
            _ask(process, number, "tools/call", {"name": tool, "arguments": arguments, "_meta": envelope})
            for number, (tool, arguments) in enumerate(calls, 1)
        ]
        assert process.stdin is not None
        process.stdin.close()
    return answers


def _ask(process: "subprocess.Popen[str]", number: int, method: str, params: Mapping[str, Any]) -> Any:
    _write(process, {"id": number, "method": method, "params": params})
    assert process.stdout is not None
    for line in process.stdout:
        if (answer := json.loads(line)).get("id") == number:
            return answer
    raise AssertionError(f"no answer to {method}")


def _write(process: "subprocess.Popen[str]", message: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")


if __name__ == "__main__":
    protocol, about, meta, calls, *command = sys.argv[1:]
    call_tools(command, os.environ, protocol, json.loads(calls), client_info=json.loads(about), meta=json.loads(meta))
