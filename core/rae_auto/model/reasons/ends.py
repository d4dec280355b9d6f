"""Ends: why a run is in its state, where the state alone does not say."""

from datetime import timedelta

from attrs import frozen

from rae_auto.model.primitives.escaping import quote_short
from rae_auto.model.primitives.formatting import describe_signal, format_elapsed
from rae_auto.model.primitives.units import format_duration
from rae_auto.model.reasons.base import ReasonBase

MAX_SHOWN_LINE_CHARACTERS = 200


@frozen
class Replaced(ReasonBase):
    """A newer occurrence of the same job."""

    code = "replaced"
    meaning = 'cancelled: a newer occurrence took its place, by `overlap = "replace"`'

    @property
    def text(self) -> str:
        return "a newer occurrence took its place (overlap = replace)"


@frozen
class Cancelled(ReasonBase):
    """A request to cancel."""

    code = "cancelled"
    meaning = "cancelled: a person or a program cancelled the run"

    @property
    def text(self) -> str:
        return "a person or a program requested it"


@frozen
class Withdrawn(ReasonBase):
    """An event that came before the delay of the trigger was over."""

    code = "withdrawn"
    meaning = "cancelled: an event that undoes or repeats the one it waited after came before its `delay` was over"

    by: str

    @property
    def text(self) -> str:
        return f"{quote_short(self.by)} came before its delay was over"


@frozen
class Removed(ReasonBase):
    """A job that was removed."""

    code = "removed"
    meaning = "cancelled: its job was removed"

    @property
    def text(self) -> str:
        return "its job was removed"


@frozen
class RepeatedAfterCrash(ReasonBase):
    """An attempt that was lost in a crash and is repeated."""

    code = "recovered"
    meaning = (
        'retried: what became of the attempt could not be found out after a crash, and `on_crash` is `"rerun"`; '
        "or the attempt is known never to have started"
    )

    @property
    def text(self) -> str:
        return "its attempt was lost in a crash and is repeated (on_crash = rerun)"


@frozen
class LostInCrash(ReasonBase):
    """An attempt that was lost in a crash and is not repeated."""

    code = "lost"
    meaning = 'lost: what became of the attempt could not be found out after a crash, and `on_crash` is `"fail"`'

    @property
    def text(self) -> str:
        return "what became of its attempt could not be found out after a crash (on_crash = fail)"


@frozen
class StoreReverted(ReasonBase):
    """A store that went back to an older state."""

    code = "store_reverted"
    meaning = (
        "lost: the store went back to an older state, by a repair or a restore, and nothing shows what became of the "
        "run since"
    )

    @property
    def text(self) -> str:
        return "the store went back to an older state, and nothing shows what became of the run since"


@frozen
class Killed(ReasonBase):
    """A signal that ended the attempt."""

    code = "killed"
    meaning = "failed: a signal ended the attempt"

    signal: int

    @property
    def text(self) -> str:
        name = describe_signal(self.signal)
        return f"killed by {name}{f' (signal {self.signal})' if name.startswith('SIG') else ''}"


@frozen
class TimedOut(ReasonBase):
    """A timeout that the attempt used up."""

    code = "timeout"
    meaning = "timed out: the attempt took longer than the job's `timeout`, and was ended"

    timeout: timedelta

    @property
    def text(self) -> str:
        return (
            f'it was still running after {format_elapsed(self.timeout)} (timeout = "{format_duration(self.timeout)}")'
        )


@frozen
class SuccessCode(ReasonBase):
    """An exit code other than 0 that counts as success."""

    code = "success_code"
    meaning = "succeeded: its exit code is one of the job's `success_codes`"

    exit_code: int

    @property
    def text(self) -> str:
        return f"exit code {self.exit_code} is one of success_codes"


@frozen
class OtherExitCode(ReasonBase):
    """An exit code that doesn't count as success."""

    code = "exit_code"
    meaning = "failed: its exit code is not one of the job's `success_codes`"

    exit_code: int
    success_codes: tuple[int, ...]

    @property
    def text(self) -> str:
        codes = ", ".join(map(str, self.success_codes))
        return f"exit code {self.exit_code} is not one of success_codes = [{codes}]"


@frozen
class WroteToStderr(ReasonBase):
    """Output on standard error, of a job for which that is a failure."""

    code = "stderr"
    meaning = 'failed: the attempt wrote to standard error, and `fail_on` is `["stderr"]`'

    line: str

    @property
    def text(self) -> str:
        line = f": {quote_short(self.line, MAX_SHOWN_LINE_CHARACTERS)}" if self.line else ""
        return f'it wrote to standard error (fail_on = ["stderr"]){line}'


@frozen
class AttemptError(ReasonBase):
    """An error that the executor reported."""

    code = "error"
    meaning = "failed: the executor reported an error; its text says which"

    message: str

    @property
    def text(self) -> str:
        return self.message
