"""The relay: what a worker's process itself does for the attempts that run there.

Its text is sent to a worker and executed there, so it imports nothing but the standard library and `distributed`. It
hangs on the worker as an attribute, passes messages of the daemon's helper on to the keeper, which it starts and starts
again, and lets a task wait for the daemon's answer and then for the end of its attempt.

Messages are JSON in one argument of the operation, replies JSON. Each reply has "relay", the id of this relay:

    {"do": "hello"}                                                    with "place", "boot" and "pids" of this machine
    {"do": "batch", "messages": [{"do": "spawn" | "refuse" | "end" | "done", "token": T, …}, …]}     with "answers"
    {"do": "poll", "seconds": S, "attempts": {…}}                                            with "reports"

An answer to "spawn" is null, {"gone": true} if no task waits for it here, so that it will never start from this
message, or {"failed": TEXT}.
"""

import asyncio
import base64
import hashlib
import io
import json
import os
import socket
import subprocess
import sys
import time
import uuid
import zipfile
from contextlib import suppress
from typing import Any

CLAIM_SECONDS = 0.5
"""Interval at which a task asks the daemon whether it may start."""

OPEN_STATES = ("running", "paused", "closing_gracefully")
"""States of a worker in which its tasks go on."""

GIVE_UP_SECONDS = 60.0
"""Time after which a task ends whose question has no answer."""

MAX_LINE_BYTES = 64 << 20
MAX_ATTEMPTS = 10_000
"""Number of attempts that are remembered."""


NO_LEASE = "not started, because its worker was not in touch with the scheduler"
"""The keeper's answer to a request that came too late (`lost`)."""


def read_clock() -> float:
    """Return seconds that go on while the machine is suspended, where the system counts them, as the keeper does."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Waiting:
    """An attempt whose task is here."""

    def __init__(self) -> None:
        self.decided = asyncio.Event()
        self.is_spawned = False
        self.over = asyncio.Event()


class Relay:
    """Passes messages between the daemon's helper and the keeper of one worker."""

    def __init__(self, worker: Any, settings: "dict[str, Any]") -> None:
        """Serve `worker`. Errors: OSError."""
        self.worker = worker
        self.id = uuid.uuid4().hex
        self.settings = settings
        base = os.path.expanduser(settings["directory"])
        # Homes may be shared by machines.
        self.base = os.path.join(base, socket.gethostname() or "localhost")
        for folder in (base, self.base):
            # One at a time, because the mode counts for the last folder alone.
            os.makedirs(folder, mode=0o700, exist_ok=True)
        self.place = self._read_place()
        self.boot = _read("/proc/sys/kernel/random/boot_id")
        self.pids = _read_link("/proc/self/ns/pid")
        self.attempts: dict[str, Waiting] = {}
        self.replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.count = 0
        self.lease_end = 0.0
        self.lease_task: asyncio.Task[None] | None = None
        self.starting: asyncio.Task[None] | None = None
        self.writer: asyncio.StreamWriter | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.reading: asyncio.Task[None] | None = None

    # Messages of the helper

    async def handle(self, text: str) -> str:
        """Handle a message of a helper, and return the reply."""
        message = json.loads(text)
        do = message["do"]
        reply: dict[str, Any] = {"relay": self.id, "address": self.worker.address}
        try:
            if do == "hello":
                reply.update(place=self.place, boot=self.boot, pids=self.pids)
            elif do == "batch":
                reply["answers"] = await self._handle_batch(message["messages"])
            elif do == "poll":
                reply["reports"] = (await self._ask(message))["reports"]
        except (OSError, TimeoutError, EOFError) as error:
            reply["error"] = f"{type(error).__name__}: {error}"
        return json.dumps(reply)

    async def _handle_batch(self, messages: "list[dict[str, Any]]") -> "list[Any]":
        has_lease = any(message["do"] == "spawn" for message in messages) and await self._renew_lease()
        return list(await asyncio.gather(*(self._handle_request(message, has_lease) for message in messages)))

    async def _handle_request(self, message: "dict[str, Any]", has_lease: bool) -> "dict[str, Any] | None":
        attempt = self.attempts.get(message["token"])
        if message["do"] == "spawn":
            return await self._spawn(message, attempt, has_lease)
        if message["do"] == "refuse":
            if attempt is not None:
                attempt.decided.set()
        else:
            await self._send(message)
        return None

    async def _spawn(
        self, message: "dict[str, Any]", attempt: "Waiting | None", has_lease: bool
    ) -> "dict[str, Any] | None":
        if attempt is None or (attempt.decided.is_set() and not attempt.is_spawned):
            # It has given up, or was never here; from now on it will not start.
            attempt = self.attempts.setdefault(message["token"], Waiting())
            attempt.decided.set()
            attempt.over.set()
            return {"gone": True}
        if attempt.is_spawned:
            return None
        if not has_lease:
            attempt.decided.set()
            return {"gone": True}
        attempt.is_spawned = True
        answer = await self._ask(message)
        attempt.decided.set()
        failed = answer.get("failed")
        if failed is not None:
            attempt.over.set()
            return {"gone": True} if failed == NO_LEASE else {"failed": failed}
        if self.lease_task is None or self.lease_task.done():
            self.lease_task = asyncio.get_running_loop().create_task(self._renew_leases())
        return None

    # The task

    async def run_task(self, token: str, topic: str) -> None:
        """Ask the daemon whether this attempt may start here; return when it is over, or may not."""
        attempt = self.attempts.get(token)
        if attempt is None:
            self._forget_oldest()
            attempt = self.attempts[token] = Waiting()
        until = time.monotonic() + GIVE_UP_SECONDS
        claim = {"token": token, "relay": self.id, "address": self.worker.address, "name": str(self.worker.name)}
        claim.update(place=self.place, boot=self.boot, pids=self.pids)
        while not attempt.decided.is_set():
            if time.monotonic() >= until or self.worker.status.name not in OPEN_STATES:
                attempt.decided.set()
                break
            self.worker.log_event(topic, claim)
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(attempt.decided.wait(), CLAIM_SECONDS)
        if not attempt.is_spawned:
            attempt.over.set()
        while not attempt.over.is_set():
            if self.worker.status.name not in OPEN_STATES:
                # Its jobs end with it, and it needn't wait for this task.
                self._let_go()
                return
            with suppress(TimeoutError, asyncio.TimeoutError):
                await asyncio.wait_for(attempt.over.wait(), CLAIM_SECONDS)

    def _let_go(self) -> None:
        """Have the keeper end all jobs, because the worker is closing."""
        if self.writer is not None:
            self.writer.close()
            self.writer = None

    def _forget_oldest(self) -> None:
        """Forget the oldest attempt that is over, where there are many."""
        if len(self.attempts) >= MAX_ATTEMPTS:
            old = next((token for token, one in self.attempts.items() if one.over.is_set()), None)
            if old is not None:
                del self.attempts[old]

    # The lease

    async def _renew_lease(self) -> bool:
        """Renew the lease if less than half of it is left; return whether there is one."""
        seconds = self.settings["lease"]
        with suppress(Exception):
            # A new keeper has no lease.
            await self._ensure_keeper()
            began = read_clock()
            if self.lease_end - began > seconds / 2:
                return True
            address = self.worker.address
            found = await asyncio.wait_for(self.worker.scheduler.ncores(workers=[address]), seconds / 2)
            if address in found:
                self.lease_end = began + seconds
                await self._send({"do": "lease", "until": self.lease_end})
        return self.lease_end > read_clock()

    async def _renew_leases(self) -> None:
        """Renew the lease for as long as an attempt needs it."""
        while any(attempt.is_spawned and not attempt.over.is_set() for attempt in self.attempts.values()):
            await self._renew_lease()
            await asyncio.sleep(self.settings["lease"] / 8)

    # The keeper

    async def _ask(self, message: "dict[str, Any]") -> "dict[str, Any]":
        """Send a message to the keeper, and return its reply. Errors: OSError."""
        self.count += 1
        number = self.count
        future = self.replies[number] = asyncio.get_running_loop().create_future()
        try:
            await self._send({**message, "id": number})
            reply: dict[str, Any] = await future
            return reply
        finally:
            self.replies.pop(number, None)

    async def _send(self, message: "dict[str, Any]") -> None:
        await self._ensure_keeper()
        writer = self.writer
        if writer is None:
            raise ConnectionError("the keeper has ended")
        writer.write(json.dumps(message).encode() + b"\n")

    async def _ensure_keeper(self) -> None:
        if self.writer is None:
            if self.starting is None or self.starting.done():
                self.starting = asyncio.get_running_loop().create_task(self._start_keeper())
            await asyncio.shield(self.starting)

    async def _start_keeper(self) -> None:
        path = self._unpack()
        ours, its = socket.socketpair()
        code = (
            f"import sys; sys.path.insert(0, {path!r}); "
            f"from rae_executor_dask.remote.worker_keeper import main; main({self.base!r}, {os.getpid()})"
        )
        with its:
            try:
                self.process = _spawn([sys.executable, "-I", "-S", "-c", code], its.fileno())
            except OSError:
                ours.close()
                raise
        ours.setblocking(False)
        reader, self.writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE_BYTES)
        self.lease_end = 0.0
        self.reading = asyncio.get_running_loop().create_task(self._read(reader, self.process))

    async def _read(self, reader: asyncio.StreamReader, process: "subprocess.Popen[bytes]") -> None:
        # Whatever ends it: what waits for the keeper must not wait for ever.
        with suppress(Exception):
            while line := await reader.readline():
                message = json.loads(line)
                if "over" in message:
                    attempt = self.attempts.get(message["over"])
                    if attempt is not None:
                        attempt.over.set()
                elif (future := self.replies.get(message["id"])) is not None and not future.done():
                    future.set_result(message)
        if self.writer is not None:
            self.writer.close()
            self.writer = None
        for future in self.replies.values():
            if not future.done():
                future.set_exception(ConnectionError("the keeper has ended"))
        for attempt in self.attempts.values():
            if attempt.is_spawned:
                attempt.over.set()
        await asyncio.get_running_loop().run_in_executor(None, process.wait)

    def _unpack(self) -> str:
        """Return the folder of the keeper's code, for which it is unpacked where it is missing. Errors: OSError."""
        path = os.path.join(self.base, self.settings["name"])
        if os.path.exists(path):
            os.utime(path)
            return path
        content = base64.b64decode(self.settings["bundle"])
        if hashlib.sha256(content).hexdigest() != self.settings["digest"]:
            raise OSError("the keeper's code arrived damaged")
        fresh = f"{path}.{os.getpid()}"
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(fresh)
        try:
            os.rename(fresh, path)
        except OSError:
            if not os.path.exists(path):
                raise
        return path

    def _read_place(self) -> str:
        """Return the name of the folder with the runs, which no other folder has. Errors: OSError."""
        path = os.path.join(self.base, "place")
        fresh = f"{path}.{os.getpid()}.{self.id}"
        with open(fresh, "w") as file:
            file.write(uuid.uuid4().hex)
        with suppress(FileExistsError):
            os.link(fresh, path)
        os.unlink(fresh)
        return _read(path)


def _spawn(argv: "list[str]", channel: int) -> "subprocess.Popen[bytes]":
    """Start the keeper. In the thread of the event loop: its end is what the kernel takes for that of the parent."""
    return subprocess.Popen(argv, stdin=channel, cwd="/", start_new_session=True)


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def _read_link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def install(address: str, operation: str, settings: "dict[str, Any]") -> None:
    """Have the worker at `address`, which is in this process, serve `operation`. Errors: OSError."""
    from distributed.worker import Worker

    for worker in list(Worker._instances):
        if worker.address == address and operation not in worker.handlers:
            relay = Relay(worker, settings)
            setattr(worker, operation, relay)
            worker.handlers[operation] = relay.handle
