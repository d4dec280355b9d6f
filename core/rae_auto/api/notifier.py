"""The contract of notifiers, which deliver notices to people."""

from abc import abstractmethod
from datetime import datetime, timedelta

from attrs import frozen

from rae_auto.api.plugin import Plugin
from rae_auto.model.policies import NotifyOn
from rae_auto.model.primitives.names import NO_RUN, JobId, RunId
from rae_auto.model.run import RunState


@frozen(kw_only=True)
class Notice:
    """Something worth a notice. `text` says it in one line for a person; the rest are facts about it.

    `id` is the same each time that the same notice is delivered: a delivery whose answer is lost is repeated, and
    its receiver can see by the id. `at` is when it happened: when the run finished, for most kinds. `run`,
    `state`, `cause` (why it ran), `exit_code`, `attempt`, `duration` and `output` (the last lines that it printed) are
    those of the run that it is about; "", None or 0 where it is about none. `failures` counts unsuccessful runs in a
    row, this one included. `usual_duration` is the median of the latest runs that succeeded. `left_out` counts earlier
    notices of the job that are not delivered, because too many were waiting. `notices` are those that this one sums up,
    because they were held back; `job` is "" if they are about several. A command that is to find the daemon needs
    `state_directory` as RAE_STATE_DIR. Instants are in the configured time zone.
    """

    kind: NotifyOn
    job: JobId
    run: RunId = NO_RUN
    state: RunState | None = None
    at: datetime
    text: str
    id: str = ""
    host: str = ""
    cause: str = ""
    exit_code: int | None = None
    attempt: int = 0
    failures: int = 0
    duration: timedelta | None = None
    usual_duration: timedelta | None = None
    next_at: datetime | None = None
    output: str = ""
    left_out: int = 0
    state_directory: str = ""
    notices: "tuple[Notice, ...]" = ()


class Notifier(Plugin):
    """Informs people. A failure to do so is logged, tried again later, and never fails the run."""

    @abstractmethod
    async def notify(self, notice: Notice) -> None:
        """Deliver the notice, or raise. Called with a time limit, and again, later, if it raises.

        A call that was cut off by a crash is repeated too, with the same `notice.id`. Where the peer has a way to
        drop what it has already (a Message-ID, an idempotency key), make it from that.
        """
