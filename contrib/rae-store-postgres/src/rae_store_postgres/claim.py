"""The claim of the tables: waited for, renewed, and found to be lost.

The row of `claim` has the token of the latest claim and the time until which it holds, by the clock of the server. A
daemon claims by adding one to the token once that time is over. A daemon that waits looks at the row when the claim
that it saw is about to run out, when it is notified that a leader has let go, and every 3 seconds at least, because
each look notes that it is alive.

The claim is renewed three times in its length, whatever is committed meanwhile. The renewal isn't synced to the disk:
after a crash of the server the claim may have run out, which the token makes harmless.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from attrs import define, field

from rae_auto.api.shared_store import SILENT_SECONDS, Leader, Node, Standby
from rae_auto.errors import ClaimLost, StoreError
from rae_store_postgres.link import Address, Connection, disconnect
from rae_store_postgres.migration import check_version
from rae_store_postgres.problems import ServerAway, is_temporary

CLAIM_CHANNEL = "rae_auto_claim"
MESSAGE_CHANNEL = "rae_auto_message"
"""Channels of NOTIFY; what they carry is the schema, because they belong to the database."""

RETRY_SECONDS = 0.5
"""Pause before a server that can't be reached is tried again."""

RENEWALS_PER_LEASE = 3

MAX_LOOK_SECONDS = 3.0
"""Longest pause of a daemon that waits, however long the lease is: each look says that it is alive."""

MIN_ANSWER_SECONDS = 1.0

MAX_CLOCK_STEP_SECONDS = 0.05
"""Difference between two measurements of the server's clock that is taken for the way of the answer, and left out."""

# Until when the last leader was alive is known from its claim alone, which this one takes the place of. And who takes
# it is alive, also if it was declared dead while it was stopped, and woke up with the connection that it had.
_TAKE = (
    "WITH alive AS (UPDATE nodes AS n SET"
    " seen_at = CASE WHEN n.node = $1 THEN clock_timestamp() ELSE greatest(n.seen_at, c.expires_at) END,"
    " fenced_at = CASE WHEN n.node = $1 THEN NULL ELSE n.fenced_at END FROM claim AS c"
    " WHERE n.node IN (c.node, $1) AND c.expires_at <= clock_timestamp())"
    " UPDATE claim SET token = token + 1, node = $1, host = $2, pid = $3, since = clock_timestamp(),"
    " expires_at = clock_timestamp() + $4 WHERE expires_at <= clock_timestamp() RETURNING token"
)
_RENEW = (
    "UPDATE claim SET expires_at = clock_timestamp() + $2 WHERE token = $1"
    " RETURNING extract(epoch FROM clock_timestamp())::float8"
)
_LOOK = "SELECT node, host, pid, since, extract(epoch FROM expires_at - clock_timestamp())::float8 AS left FROM claim"
_FIND_LEADER = "SELECT node, host, pid, since FROM claim WHERE expires_at > clock_timestamp()"
_SEEN = "UPDATE nodes SET seen_at = clock_timestamp(), fenced_at = NULL WHERE node = $1"
_JOIN = (
    "INSERT INTO nodes (node, host, machine, boot, pid, directory) VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT (node) DO UPDATE SET host = excluded.host, machine = excluded.machine, boot = excluded.boot,"
    " pid = excluded.pid, directory = excluded.directory, joined_at = clock_timestamp(),"
    " seen_at = clock_timestamp(), fenced_at = NULL"
    " WHERE (nodes.boot IN ('', excluded.boot) AND nodes.directory IN ('', excluded.directory))"
    " OR (nodes.seen_at < clock_timestamp() - $7::interval AND NOT EXISTS"
    " (SELECT FROM claim WHERE claim.node = nodes.node AND claim.expires_at > clock_timestamp()))"
    " RETURNING node"
)
_OWNER = "SELECT host, pid, directory FROM nodes WHERE node = $1"


async def find_leader(connection: Connection) -> Leader | None:
    """Return the node whose claim holds now."""
    row = await connection.fetchrow(_FIND_LEADER)
    return None if row is None else Leader(node=row["node"], host=row["host"], pid=row["pid"], since=row["since"])


def _do_nothing(*_: object) -> None:
    return


@define(eq=False)
class Claim:
    """One daemon's part in the claim. All methods but the properties belong to the loop of the link."""

    _address: Address
    _lease: timedelta
    token: int | None = field(init=False, default=None)
    offset: float = field(init=False, factory=lambda: time.time() - time.monotonic())
    """Seconds by which the server's clock is ahead of the monotonic one."""
    node: Node | None = field(init=False, default=None)
    renewed_at: float = field(init=False, default=0.0)
    alive_at: float | None = field(init=False, default=None)
    """When the leader renewed its claim, as it was seen last; on the monotonic clock."""
    on_lost: Callable[[ClaimLost], None] = field(init=False, default=_do_nothing)
    on_message: Callable[[], None] = field(init=False, default=_do_nothing)
    lost: ClaimLost | None = field(init=False, default=None)
    connection: Connection | None = field(init=False, default=None)
    """The connection that renews and listens."""
    _woken: asyncio.Event = field(init=False, factory=asyncio.Event)
    _is_interrupted: bool = field(init=False, default=False)
    _renewing: "asyncio.Task[None] | None" = field(init=False, default=None)

    async def take_now(self, node: Node) -> None:
        """Claim at once, or as soon as a claim that its daemon stopped renewing has expired.

        Errors: ClaimLost with who leads, StoreError.
        """
        self.node = node
        with self._address.translated():
            await self._connect()
            leader, left = await self._look()
            while left > 0:
                # It may be that of a daemon that was killed; one that lives renews it before it runs out.
                until = time.monotonic() + left
                await asyncio.sleep(min(left, self._lease.total_seconds() / RENEWALS_PER_LEASE / 2))
                leader, left = await self._look()
                if time.monotonic() + left > until + MAX_CLOCK_STEP_SECONDS:
                    break
            if left > 0 or not await self._take():
                leader, _ = await self._look()
                raise ClaimLost(f"{leader.describe()} has claimed the store in {self._address.place}")

    async def wait(self, node: Node, report: Callable[[Standby], None]) -> None:
        """Wait for the claim, for as long as it takes. Errors: StoreError for what time doesn't heal."""
        self.node = node
        said: Standby | None = None
        while not self._is_interrupted:
            self._woken.clear()
            pause, is_old = RETRY_SECONDS, self._is_connected
            try:
                await self._connect()
                async with asyncio.timeout(self._answer_seconds):
                    leader, left = await self._look()
                    if left <= 0 and await self._take():
                        return
                    assert self.connection is not None
                    await self.connection.execute(_SEEN, node.name)
                state = Standby(leader=leader, silent_seconds=self._measure_silence)
                # A little later than the server's own time, so that one look is enough.
                pause = min(max(left, 0.0) + 0.01, MAX_LOOK_SECONDS)
            except Exception as error:
                known = self._address.explain(error)
                if not is_temporary(error):
                    raise known from error
                await self._disconnect()
                if is_old:
                    # The other end of that connection may have vanished; another one finds out at once.
                    continue
                state = Standby(problem=str(known))
            if state != said:
                said = state
                report(state)
            try:
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            except TimeoutError:
                continue
        raise StoreError("the daemon is stopping, and waits for its turn no longer")

    def interrupt(self) -> None:
        """End a wait."""
        self._is_interrupted = True
        self._woken.set()

    @property
    def _is_connected(self) -> bool:
        return self.connection is not None and not self.connection.is_closed()

    @property
    def _answer_seconds(self) -> float:
        """The time for the server to answer a daemon that waits, after which it connects again."""
        return max(self._lease.total_seconds() / 2, MIN_ANSWER_SECONDS)

    async def _connect(self) -> None:
        if self._is_connected:
            return
        connection = await self._address.connect()
        try:
            await check_version(connection, self._address)
            if self.node is not None and self.node.name:
                await self._join(connection, self.node)
            # A claim that is lost in a crash of the server does no harm, so it needs no write to the disk.
            await connection.execute("SET synchronous_commit = off")
            await connection.add_listener(CLAIM_CHANNEL, self._handle_notice)
            await connection.add_listener(MESSAGE_CHANNEL, self._handle_notice)
        except BaseException:
            connection.terminate()
            raise
        self.connection = connection
        connection.add_termination_listener(lambda _: self._woken.set())
        # What was sent while there was no connection brought no notice.
        self.on_message()

    async def _join(self, connection: Connection, node: Node) -> None:
        """Note that the node is here. Raises ServerAway while a second daemon has its name, which may yet end."""
        values = node.name, node.host, node.machine, node.boot, node.pid, node.directory
        if await connection.fetchval(_JOIN, *values, timedelta(seconds=SILENT_SECONDS)) is None:
            owner = await connection.fetchrow(_OWNER, node.name)
            other = "another daemon" if owner is None else f"process {owner['pid']} on {owner['host']}"
            raise ServerAway(
                f'node "{node.name}" is also that of {other}, which was seen within {SILENT_SECONDS:g} s; if the '
                f'machine or {node.directory} was copied, stop this daemon and remove "rae-auto.node" there, so that '
                "it gets a name of its own"
            )

    async def _disconnect(self) -> None:
        if self.connection is not None:
            self.connection.terminate()
            self.connection = None

    def _handle_notice(self, _: object, __: int, channel: str, payload: str) -> None:
        if payload.split("\n")[0] != self._address.schema:
            return
        if channel == CLAIM_CHANNEL:
            self._woken.set()
        else:
            self.on_message()

    def _measure_silence(self) -> float | None:
        return None if self.alive_at is None else time.monotonic() - self.alive_at

    async def _look(self) -> tuple[Leader, float]:
        assert self.connection is not None
        row = await self.connection.fetchrow(_LOOK)
        if row is None:
            raise StoreError(f"{self._address.place}: the row of the claim is gone; restore the database")
        # As long ago as what has run out of its claim, if it has the same lease.
        self.alive_at = time.monotonic() - max(self._lease.total_seconds() - row["left"], 0.0)
        return Leader(node=row["node"], host=row["host"], pid=row["pid"], since=row["since"]), row["left"]

    async def _take(self) -> bool:
        assert self.connection is not None and self.node is not None
        node = self.node
        before = time.monotonic()
        token = await self.connection.fetchval(_TAKE, node.name, node.host, node.pid, self._lease)
        if token is None:
            return False
        self.token, self.renewed_at = int(token), before
        await self._renew()
        self._renewing = asyncio.create_task(self._keep_renewing())
        return True

    async def _keep_renewing(self) -> None:
        interval = self._lease.total_seconds() / RENEWALS_PER_LEASE
        while self.lost is None:
            pause = self.renewed_at + interval - time.monotonic()
            if pause > 0:
                await asyncio.sleep(pause)
                continue
            try:
                await self._connect()
                async with asyncio.timeout(self._lease.total_seconds()):
                    await self._renew()
            except Exception as error:
                if isinstance(error, ClaimLost):
                    return
                await self._disconnect()
                await asyncio.sleep(RETRY_SECONDS)

    async def _renew(self) -> None:
        assert self.connection is not None
        before = time.monotonic()
        epoch = await self.connection.fetchval(_RENEW, self.token, self._lease)
        after = time.monotonic()
        if epoch is None:
            leader, _ = await self._look()
            raise self.lose(leader)
        self.renewed_at = before
        offset = epoch - (before + after) / 2
        if abs(offset - self.offset) > max(MAX_CLOCK_STEP_SECONDS, after - before):
            self.offset = offset

    def lose(self, leader: Leader | None = None) -> ClaimLost:
        """Note that the claim is lost, tell the daemon, and return the error."""
        by = "another daemon" if leader is None else leader.describe()
        since = "" if leader is None else f" at {leader.since:%Y-%m-%d %H:%M:%S} UTC"
        return self.give_up(
            f"{by} has taken over the store in {self._address.place}{since}, because this daemon did not renew "
            "its claim in time; nothing that it decided since then counts"
        )

    def give_up(self, why: str) -> ClaimLost:
        """Count the claim as lost, unless it is already; tell the daemon, and return the error."""
        if self.lost is None:
            self.lost = ClaimLost(why)
            self.on_lost(self.lost)
        return self.lost

    async def release(self) -> None:
        """Let the claim go, so that another daemon can take over at once; end all that runs here."""
        if self._renewing is not None:
            self._renewing.cancel()
        connection = self.connection
        if connection is None or connection.is_closed():
            return
        try:
            async with asyncio.timeout(RETRY_SECONDS * 4):
                if self.token is not None and self.lost is None:
                    await connection.execute("UPDATE claim SET expires_at = 'epoch' WHERE token = $1", self.token)
                    await connection.execute("SELECT pg_notify($1, $2)", CLAIM_CHANNEL, self._address.schema)
        except Exception:  # it runs out by itself
            connection.terminate()
        else:
            await disconnect(connection)
