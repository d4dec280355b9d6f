"""Run a parameterized Nomad job, and end as it ends: `python3 nomad_job.py JOB`.

The attempt's name is Nomad's idempotency token, so that one attempt is dispatched once. SIGTERM, by which rae-auto ends
an attempt, stops the job. NOMAD_ADDR and NOMAD_TOKEN mean what they mean for `nomad`.
"""

import json
import os
import signal
import sys
import time
from typing import Any, NoReturn
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

ADDRESS = os.environ.get("NOMAD_ADDR", "http://127.0.0.1:4646")
LOOK_SECONDS = float(os.environ.get("NOMAD_LOOK_SECONDS", "2"))
"""Time between two looks at the job."""


def ask(method: str, path: str, body: "dict[str, Any] | None" = None) -> Any:
    """Return what the server answers. Errors: OSError."""
    headers = {"X-Nomad-Token": os.environ.get("NOMAD_TOKEN", ""), "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(f"{ADDRESS}/v1/{path}", data, headers, method=method), timeout=30) as answer:
        return json.load(answer)


def read_exit_code(job: str) -> int:
    """Return the exit code of the newest allocation of a job that has ended: the first one that isn't 0."""
    allocations = sorted(ask("GET", f"job/{job}/allocations"), key=lambda one: one["CreateIndex"])
    if not allocations:
        return 1
    states = (allocations[-1].get("TaskStates") or {}).values()
    codes = [one.get("ExitCode", 0) for state in states for one in state["Events"] or () if one["Type"] == "Terminated"]
    has_failed = allocations[-1]["ClientStatus"] != "complete"
    return next((code for code in reversed(codes) if code), int(has_failed))


def main(name: str) -> NoReturn:
    """Dispatch the job, wait until it is over, and end with its exit code."""
    token = f"{os.environ['RAE_RUN_ID']}.{os.environ['RAE_ATTEMPT']}"
    job = ""

    def stop(*_: object) -> NoReturn:
        if job:
            ask("DELETE", f"job/{job}")
        sys.exit(143)

    # Held back until the answer, so that no job is left that nothing can stop.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    signal.signal(signal.SIGTERM, stop)
    dispatched = ask("POST", f"job/{quote(name, safe='')}/dispatch?idempotency_token={token}", {})["DispatchedJobID"]
    job = quote(dispatched, safe="")
    print(f"dispatched as {dispatched}", flush=True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    while True:
        time.sleep(LOOK_SECONDS)
        try:
            if ask("GET", f"job/{job}")["Status"] == "dead":
                sys.exit(read_exit_code(job))
        except URLError as error:
            print(f"{ADDRESS}: {error}; asking again", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
