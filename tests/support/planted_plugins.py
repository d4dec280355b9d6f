"""Broken plugins of all kinds, each with the rule that names its mistake.

A mistake is a change of a good plugin: a text of it, and what takes its place.
"""

from attrs import frozen

HEAD = """
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
import asyncio

from attrs import define, field, frozen

from rae_auto.api import *
from rae_auto.api import Assignment, ComputedGuard, Executor, GuardResult, Logger, Notifier, ReadGuard, ScheduleTrigger
from rae_auto.api import SourceTrigger, Store, Verdict, Command
from rae_auto.hookspecs import hookimpl

RAE_API = 1


@define
class Span:

    hours: int = 1


def later(instant):
    import time
    return max(instant, datetime.fromtimestamp(time.time(), UTC))
"""

GOOD: dict[str, str] = {
    "schedule": '''
@frozen
class Good(ScheduleTrigger):
    """Fires hourly."""

    type = "good"
    every: int = field(default=1, metadata={"help": "hours"})

    def next_after(self, instant: datetime) -> datetime | None:
        instant = instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        try:
            return instant + timedelta(hours=self.every)
        except OverflowError:
            return None

    def summary(self) -> str:
        return "hourly"
''',
    "source": '''
@frozen
class Good(SourceTrigger):
    """Fires each second."""

    type = "good"
    every: int = field(default=1, metadata={"help": "seconds"})

    async def watch(self, context: TriggerContext) -> None:
        while True:
            await context.timer.sleep(self.every)
            await context.emit(context.timer.now().wall.isoformat())
''',
    "guard": '''
@frozen
class Good(ComputedGuard):
    """Allows all."""

    type = "good"
    hours: tuple[int, ...] = field(default=(1, 2), metadata={"help": "hours"})

    def evaluate(self, instant: datetime) -> GuardResult:
        return GuardResult(Verdict.YES, "always")

    def changes_after(self, instant: datetime) -> datetime | None:
        return None
''',
    "read guard": '''
@frozen
class Good(ReadGuard):
    """Allows all."""

    type = "good"

    async def read(self) -> GuardResult:
        return GuardResult(Verdict.YES, "always")
''',
    "executor": '''
@frozen
class Good(Executor):
    """Runs nothing."""

    type = "good"

    @classmethod
    def backends(cls) -> Mapping[str, str | None]:
        return {"memory": None}

    async def start(self, assignment: Assignment) -> Execution:
        raise OSError("nothing runs")
''',
    "logger": '''
@frozen
class Good(Logger):
    """Writes a file."""

    type = "good"
    level: str = field(default="INFO", metadata={"help": "level"})

    def handler(self, directory: Path) -> Mapping[str, object]:
        return {"sink": directory / "log", "level": self.level}
''',
    "notifier": '''
@frozen
class Good(Notifier):
    """Informs."""

    type = "good"
    example = {"to": "x"}
    to: str = field(metadata={"help": "address"})

    async def notify(self, notice: Notice) -> None:
        await asyncio.sleep(0)
''',
    "command": '''
@frozen
class Good(Command):
    """Shows."""

    type = "good"
    loud: bool = field(default=False, metadata={"help": "loud"})

    def run(self, context: CommandContext) -> int:
        return 0
''',
    "store": '''
@frozen
class Good(Store):
    """Keeps nothing."""

    type = "good"

    def open(self, directory: Path) -> Sequence[str]:
        return ()

    def load(self, kind: str) -> Sequence[object]:
        return ()

    def commit(self, changes: Sequence[object]) -> None: ...

    def query(self, log: str, query: LogQuery) -> list[object]:
        return []

    def prune(self, log: str, keep: RetentionRule) -> Sequence[str]:
        return ()

    def dump(self) -> Sequence[object]:
        return ()

    def close(self) -> None: ...
''',
}
"""A good plugin of each kind."""

HOOKS = {
    "schedule": "trigger",
    "source": "trigger",
    "guard": "guard",
    "read guard": "guard",
    "executor": "executor",
    "logger": "logger",
    "notifier": "notifier",
    "command": "command",
    "store": "store",
}


def good_source(kind: str) -> str:
    """Return the module of a good plugin."""
    return f"{HEAD}{GOOD[kind]}\n\n@hookimpl\ndef rae_{HOOKS[kind]}s():\n    return [Good]\n"


@frozen
class Mistake:
    """A change of a good plugin, and the rule that names it."""

    kind: str
    rule: str
    before: str
    after: str
    words: str = ""
    entry_point: str = ""
    name: str = "good"

    @property
    def id(self) -> str:
        return f"{self.rule}: {self.kind}: {self.after[:40]!r}"


_M = Mistake
MISTAKES: tuple[Mistake, ...] = (
    # Packaging and the hook
    _M("schedule", "entry-point", "", "", 'write "', entry_point=":Good"),
    _M("schedule", "module", "", "", "no module", entry_point="_misspelled"),
    _M("schedule", "name", "", "", "comes with rae-auto", name="cron"),
    _M("command", "name", "", "", "has a command", name="check"),
    _M("guard", "name", "", "", "1 to 64 letters", name="two words"),
    _M("schedule", "import", "RAE_API", "1 / 0\nRAE_API", "ZeroDivisionError"),
    _M("store", "import", "RAE_API", "import there_is_no_such\nRAE_API", "there_is_no_such"),
    _M("logger", "import", "RAE_API", "def (\nRAE_API", "SyntaxError"),
    _M("notifier", "import-exits", "RAE_API", "raise SystemExit(3)\nRAE_API"),
    _M(
        "schedule",
        "prints",
        "return instant + timedelta",
        "return print(instant) or instant + timedelta",
    ),
    _M("executor", "import-prints", "RAE_API", "print('hello')\nRAE_API", "hello"),
    _M("schedule", "import-time", "RAE_API", "sum(range(9_000_000))\nRAE_API", " ms"),
    _M("guard", "private-import", "RAE_API", "import rae_auto.engine.engine\nRAE_API", "rae_auto.engine"),
    _M("source", "private-import", "RAE_API", "from rae_auto.daemon import daemon\nRAE_API"),
    _M("notifier", "private-import", "RAE_API", "from rae_plugins.notifiers import email\nRAE_API"),
    _M("command", "private-import", "RAE_API", "from rae_auto import registry\nRAE_API"),
    _M("schedule", "api-version", "RAE_API = 1", "RAE_API = 2", "version 1"),
    _M("schedule", "api-version", "RAE_API = 1", "", "doesn't say"),
    _M("logger", "hook", "def rae_loggers", "def rae_logger", "call it rae_loggers"),
    _M("guard", "hook", "def rae_guards", "def rae_triggers", "call it rae_guards"),
    _M("store", "hook", "@hookimpl", "", "@hookimpl"),
    _M("notifier", "hook", "def rae_notifiers()", "def rae_notifiers(config)", "arguments"),
    _M("command", "hook", "def rae_commands", "async def rae_commands", "coroutine"),
    _M("executor", "hook", "def rae_executors", "def run", "no function"),
    _M("schedule", "hook-result", "return [Good]", "return Good", "list of classes"),
    _M("store", "hook-result", "return [Good]", "return None", "list of classes"),
    _M("guard", "hook-result", "return [Good]", "return [Bad]", "NameError"),
    _M("logger", "hook-result", "return [Good]", "return []", "no class"),
    _M("notifier", "hook-result", "return [Good]", 'return ["Good"]', "return the class itself"),
    # The class
    _M("schedule", "type", 'type = "good"', 'type = "bad"', "'bad'"),
    _M("notifier", "type", '    type = "good"\n', "", "None"),
    _M("guard", "type", "return [Good]", "return [Good, Good]", "2 classes"),
    _M("schedule", "contract", "return [Good]", "return [Good()]", "an instance"),
    _M("logger", "contract", "(Logger)", "", "derive it from Logger"),
    _M("source", "contract", "(SourceTrigger)", "(Notifier)", "SourceTrigger"),
    _M("schedule", "attrs", "@frozen\n", "", "decorate"),
    _M("command", "attrs", "@frozen\n", "import dataclasses\n@dataclasses.dataclass\n", "dataclass"),
    _M("schedule", "abstract", "def next_after", "def following", "next_after"),
    _M("store", "abstract", "def dump", "def dumps", "dump"),
    _M("guard", "abstract", "def changes_after", "def changed_after", "changes_after"),
    _M("schedule", "method", "def summary", "def sumary", "did you mean summary"),
    _M("source", "method", "(self, context: TriggerContext)", "(self)", "def watch(self, context)"),
    _M("executor", "method", "(self, assignment: Assignment)", "(self)", "def start(self, assignment)"),
    _M("executor", "method", "@classmethod\n", "\n", "@classmethod"),
    _M(
        "notifier",
        "async",
        "async def notify(self, notice: Notice) -> None:\n        await ",
        "def notify(self, notice):\n        ",
        "async",
    ),
    _M("read guard", "async", "async def read", "def read", "async def read"),
    _M("schedule", "async", "def next_after", "async def next_after", "must not be"),
    _M("command", "async", "def run", "async def run", "must not be"),
    _M("notifier", "docstring", '"""Informs."""', "", "docstring"),
    _M("executor", "unsupported-keys", 'type = "good"', 'type = "good"\n    takes = "command"', 'takes = ("command",)'),
    # Options
    _M("schedule", "option-type", "every: int = field", "every = field", "every: int"),
    _M("source", "option-type", "every: int", 'every: "Missing"', "can't be found"),
    _M(
        "guard",
        "option-unstructurable",
        "hours: tuple[int, ...] = field(default=(1, 2)",
        "hours: memoryview = field(default=None",
    ),
    _M("notifier", "option-unstructurable", "to: str", "to: asyncio.Queue", "use text"),
    _M("notifier", "option-unstructurable", "to: str", "to: dict[int, str]", "tables whose keys are text"),
    _M(
        "guard",
        "option-unhashable",
        "hours: tuple[int, ...] = field(default=(1, 2)",
        "hours: Span = field(factory=Span",
    ),
    _M(
        "schedule",
        "option-default",
        "every: int = field(default=1",
        "every: list[int] = field(default=[1]",
        "shared by all",
    ),
    _M("command", "option-help", ', metadata={"help": "loud"}', "", "no help"),
    _M("notifier", "option-secret", "to: str", "token: str = field()\n    to: str", "use Secret"),
    _M("command", "option-name", "loud: bool", "config: bool", "rename it"),
    _M("notifier", "example", '    example = {"to": "x"}\n', "", "example"),
    _M("notifier", "example", '{"to": "x"}', '{"two": "x"}', "two"),
    # Answers
    _M(
        "schedule",
        "available",
        "    def summary",
        "    def available(self):\n        return None\n    def summary",
        "@classmethod",
    ),
    _M(
        "logger",
        "available",
        "    def handler",
        "    @classmethod\n    def available(cls):\n        return True\n    def handler",
    ),
    _M("schedule", "summary", 'return "hourly"', "return None", "one line"),
    _M("schedule", "summary", 'return "hourly"', 'raise KeyError("x")', "KeyError"),
    _M(
        "schedule",
        "warnings",
        "    def summary",
        "    def warnings(self):\n        return 'text'\n    def summary",
        "tuple",
    ),
    _M("executor", "unsupported-keys", '{"memory": None}', '{"memroy": None}', "memroy"),
    _M("schedule", "next-after", "return instant + timedelta", "return instant - timedelta", "later"),
    _M(
        "schedule",
        "next-after",
        "return instant + timedelta(hours=self.every)",
        "return datetime(2030, 1, 1)",
        "time zone",
    ),
    _M("schedule", "next-after", "return instant + timedelta(hours=self.every)", "return 5", "datetime or None"),
    _M("schedule", "next-after", "except OverflowError", "except KeyError", "None where the calendar ends"),
    _M(
        "schedule",
        "next-after",
        "try:\n            return instant",
        "while True:\n            pass\n        try:\n            return instant",
        "hangs",
    ),
    _M("guard", "evaluate", 'GuardResult(Verdict.YES, "always")', "True", "GuardResult"),
    _M("guard", "evaluate", "        return None", "        return instant", "later"),
    _M("guard", "evaluate", '        return GuardResult(Verdict.YES, "always")', "        while True: pass", "hangs"),
    _M("logger", "handler", 'return {"sink"', 'return None and {"sink"', "logger.add"),
    _M("logger", "handler", '"INFO"', '"LOUD"', "LOUD"),
    _M("logger", "handler", 'return {"sink"', 'raise OSError("no socket")\n        return {"sink"', "no socket"),
    _M(
        "logger",
        "handler",
        '        return {"sink"',
        '        from loguru import logger\n        logger.remove()\n        return {"sink"',
        "call neither logger.add nor logger.remove",
    ),
    # Conduct
    _M("source", "blocking", "await context.timer.sleep", "import time; time.sleep", "asyncio.sleep"),
    _M("notifier", "blocking", "await asyncio.sleep(0)", "import os; os.system('true')", "create_subprocess_shell"),
    _M("source", "forgotten-await", "await context.emit", "context.emit", "await context.emit"),
    _M("source", "forgotten-await", "await context.timer", "context.timer", "await context.timer.sleep"),
    _M(
        "source",
        "cancellation",
        "            await context.timer.sleep(self.every)\n",
        "            try:\n                await asyncio.sleep(1)\n            except:\n                pass\n",
        "catch Exception",
    ),
    _M("source", "key", "context.emit(context.timer.now().wall.isoformat())", 'context.emit("tick")', "'tick'"),
    _M("source", "key", "context.timer.now().wall.isoformat()", "str(datetime.now(UTC))", "datetime.now"),
    _M("source", "key", "context.timer.now().wall.isoformat()", "str(__import__('uuid').uuid4())", "uuid4"),
    _M(
        "source",
        "late-emission",
        "        while True:\n            await context.timer.sleep(self.every)\n            await",
        "        try:\n            await context.timer.sleep(self.every)\n        finally:\n            await",
        "before it",
    ),
    _M(
        "source",
        "watch-ends",
        "        while True:\n            await context.timer.sleep(self.every)\n            "
        "await context.emit(context.timer.now().wall.isoformat())",
        "        return None",
        "until it is cancelled",
    ),
    _M("source", "thread", "await context.timer.sleep(self.every)", "await asyncio.to_thread(self.get)", "timeout"),
    _M(
        "source",
        "thread",
        "        while True:",
        "        import threading\n        threading.Thread(target=print).start()\n        while True:",
        "join it",
    ),
    _M(
        "executor",
        "cancel",
        "@frozen\n",
        "class Attempt:\n    async def cancel(self, grace):\n        pass\n\n\n@frozen\n",
        "end the attempt",
    ),
    _M("schedule", "impure", "return instant + timedelta", "return datetime.now(UTC) + timedelta", "datetime.now"),
    _M("schedule", "impure", "return instant +", "return later(instant) +", "time.time"),
    _M("schedule", "impure", "minute=0, ", "", "count from a fixed instant"),
    _M(
        "guard",
        "impure",
        'return GuardResult(Verdict.YES, "always")',
        'open("/etc/hostname").close()\n        return GuardResult(Verdict.YES, "a")',
        "open",
    ),
)
"""The mistakes; a test holds that each is named, and by its rule."""
