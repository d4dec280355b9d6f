# ruff: noqa: E501 - a table
"""The mistakes of plugin authors, as the review of them numbered these: each is a module, and a job that uses it.

A body is the class `Bad`; the hook is added by `Planted.source`. Where the mistake is one of packaging, the module is
good, and the entry point isn't.
"""

from attrs import frozen

HEAD = """import asyncio, dataclasses, random, re, sys, threading, time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from attrs import define, field, frozen

from rae_auto.api import *
from rae_auto.api import ComputedGuard, Execution, Executor, GuardResult, Logger, Notifier, ReadGuard, ScheduleTrigger
from rae_auto.api import SourceTrigger, Verdict
from rae_auto.hookspecs import hookimpl
from rae_auto.model.run import Result

RAE_API = 1

"""

BY_TRIGGER = '[jobs.bad]\ncommand = ["true"]\ntrigger = "bad"\n'
BY_GUARD = '[jobs.bad]\ncommand = ["true"]\ntrigger = { type = "interval", every = "1s" }\nguards = ["bad"]\nguard_timeout = "2s"\n'
BY_EXECUTOR = '[jobs.bad]\ncommand = ["true"]\nexecutor = "bad"\ntrigger = { type = "interval", every = "1s" }\ntimeout = "1s"\nkill_after = "0s"\n'
BY_NOTIFIER = '[jobs.bad]\ncommand = ["false"]\ntrigger = { type = "interval", every = "1s" }\nnotify = { on = ["failure"], via = ["bad"] }\n'


def schedule(body: str, options: str = "") -> str:
    """Return a schedule whose next_after does this."""
    return (
        f'@frozen\nclass Bad(ScheduleTrigger):\n    """Bad."""\n\n    type = "bad"\n{options}\n'
        f"    def next_after(self, instant):\n        {body}\n"
    )


def source(body: str) -> str:
    """Return a source whose watch does this."""
    return (
        '@frozen\nclass Bad(SourceTrigger):\n    """Bad."""\n\n    type = "bad"\n\n'
        f"    async def watch(self, context):\n        {body}\n"
    )


def read_guard(body: str) -> str:
    """Return a guard whose read does this."""
    return f'@frozen\nclass Bad(ReadGuard):\n    """Bad."""\n\n    type = "bad"\n\n    async def read(self):\n        {body}\n'


def computed_guard(body: str, change: str = "return None") -> str:
    """Return a guard whose evaluate and changes_after do this."""
    return (
        '@frozen\nclass Bad(ComputedGuard):\n    """Bad."""\n\n    type = "bad"\n\n'
        f"    def evaluate(self, instant):\n        {body}\n\n    def changes_after(self, instant):\n        {change}\n"
    )


def notifier(body: str) -> str:
    """Return a notifier whose notify does this."""
    return f'@frozen\nclass Bad(Notifier):\n    """Bad."""\n\n    type = "bad"\n\n    async def notify(self, notice):\n        {body}\n'


def logger(body: str) -> str:
    """Return a logger whose handler does this."""
    return f'@frozen\nclass Bad(Logger):\n    """Bad."""\n\n    type = "bad"\n\n    def handler(self, directory):\n        {body}\n'


def executor(
    start: str = "return Bads()",
    wait: str = "return Result(exit_code=0)",
    cancel: str = "self.is_cancelled = True",
    handle: str = "{}",
    more: str = "",
) -> str:
    """Return an executor with these parts."""
    return (
        f"class Bads(Execution):\n    handle = {handle}\n\n    async def wait(self):\n        {wait}\n\n"
        f"    async def cancel(self, grace):\n        {cancel}\n\n\n"
        '@frozen\nclass Bad(Executor):\n    """Bad."""\n\n    type = "bad"\n'
        f"{more}\n    async def start(self, assignment):\n        {start}\n"
    )


def store(method: str, body: str) -> str:
    """Return the store of files, with a method that does this."""
    return (
        # Not by an import, which would be a mistake of its own.
        "import importlib\n\nSqliteStore = importlib.import_module('rae_plugins.stores.sqlite').SqliteStore\n\n\n"
        "@define\nclass Bad(SqliteStore):\n"
        f'    """Bad."""\n\n    type = "bad"\n\n    def {method}:\n        {body}\n'
    )


LATER = "try:\n            return instant.replace(microsecond=0) + timedelta(seconds=1)\n        except OverflowError:\n            return None"
GOOD = schedule(LATER)
OPTION = '    {} = field(default={}, metadata={{"help": "x"}})\n'


@frozen(kw_only=True)
class Planted:
    """A mistake; `runs` is False where `check` refuses what a daemon would."""

    number: str
    what: str
    body: str = GOOD
    kind: str = "trigger"
    job: str = BY_TRIGGER
    top: str = ""
    """Lines of the configuration above the jobs."""
    replace: tuple[str, str] = ("", "")
    """A change of the whole module."""
    point: str = "rae_bad"
    group: str | None = None
    name: str = "bad"
    twice: bool = False
    """True if another distribution has the same name."""
    runs: bool = False
    seconds: float = 12.0
    """Time that a daemon has to name it."""
    quiet: str = ""
    """The reason why nothing names it."""

    @property
    def source(self) -> str:
        """The module."""
        text = f"{HEAD}{self.body}\n\n@hookimpl\ndef rae_{self.kind}s():\n    return [Bad]\n"
        assert self.replace[0] in text, f"{self.number}: the change changes nothing"
        return text.replace(*self.replace, 1) if self.replace[0] else text


def _on(kind: str) -> dict[str, str]:
    jobs = {"guard": BY_GUARD, "executor": BY_EXECUTOR, "notifier": BY_NOTIFIER}
    tops = {
        "logger": 'loggers = ["console", "bad"]\n',
        "store": 'store = "bad"\n',
        "notifier": '[notifiers.bad]\ntype = "bad"\n',
    }
    return {"kind": kind, "job": jobs.get(kind, ""), "top": tops.get(kind, "")}


P = Planted
HOOK = "@hookimpl\ndef rae_triggers():\n    return [Bad]"
PLANTED: tuple[Planted, ...] = (
    P(number="01", what="entry point: module misspelled", point="rae_trigger_bad"),
    P(number="02", what="entry point names the class", point="rae_bad:Bad"),
    P(number="03", what="group rae_auto.trigger", group="rae_auto.trigger"),
    P(number="03a", what="group rae-auto.triggers", group="rae-auto.triggers"),
    P(number="03b", what="group of another kind", group="rae_auto.guards"),
    P(number="03c", what="no entry point at all", point=""),
    P(number="04", what="hook misspelled", replace=("def rae_triggers", "def rae_trigers")),
    P(number="04a", what="hook without @hookimpl", replace=("@hookimpl\n", "")),
    P(number="04b", what="hook of another kind", replace=("def rae_triggers", "def rae_guards")),
    P(number="05", what="hook returns a class", replace=("return [Bad]", "return Bad")),
    P(number="05a", what="hook returns None", replace=("return [Bad]", "return None")),
    P(number="05b", what="hook returns an instance", replace=("return [Bad]", "return [Bad()]")),
    P(number="05c", what="hook returns the name of the class", replace=("return [Bad]", 'return ["Bad"]')),
    P(number="05d", what="NameError in the hook", replace=("return [Bad]", "return [Worse]")),
    P(number="06", what="hook with an argument", replace=("def rae_triggers()", "def rae_triggers(config)")),
    P(number="06b", what="async hook", replace=("def rae_triggers", "async def rae_triggers")),
    P(number="07", what="type is missing", replace=('    type = "bad"\n', "")),
    P(number="07b", what="type is not the entry point's name", replace=('type = "bad"', 'type = "worse"')),
    P(number="08", what="no base class", replace=("(ScheduleTrigger)", "")),
    P(number="08a", what="no attrs class", replace=("@frozen\nclass Bad", "class Bad"), body=schedule(LATER, OPTION.format("every: int", 1))),
    P(number="08b", what="a dataclass", replace=("@frozen\nclass Bad", "@dataclasses.dataclass\nclass Bad")),
    P(number="08c", what="a method of the contract is missing", replace=("def next_after", "def following")),
    P(number="09", what="an option without a type", body=schedule(LATER, OPTION.format("every", 5)), runs=True),
    P(number="10", what="an option set[str]", body=schedule(LATER, OPTION.format("names: set[str]", "None")), job=BY_TRIGGER.replace('"bad"\n', '{ type = "bad", names = ["a"] }\n'), runs=True, quiet="no mistake any more: lists, sets and tables are options like others"),
    P(number="10b", what="an option re.Pattern", body=schedule(LATER, OPTION.format("names: re.Pattern", "None")), job=BY_TRIGGER.replace('"bad"\n', '{ type = "bad", names = "a" }\n'), runs=True),
    P(number="10c", what="an option of an own class", body="class Own:\n    pass\n\n\n" + schedule(LATER, OPTION.format("names: Own", "None")), job=BY_TRIGGER.replace('"bad"\n', '{ type = "bad", names = "a" }\n'), runs=True),
    P(number="10d", what="an option Callable", body=schedule(LATER, OPTION.format("names: Callable", "None")), job=BY_TRIGGER.replace('"bad"\n', '{ type = "bad", names = "a" }\n'), runs=True),
    P(number="10e", what="an option dict[int, str]", body=schedule(LATER, OPTION.format("names: dict[int, str]", "None")), job=BY_TRIGGER.replace('"bad"\n', '{ type = "bad", names = { a = "b" } }\n'), runs=True),
    P(number="10f", what="a type that can't be found", body=schedule(LATER, OPTION.format('names: "Missing"', "None")), runs=True),
    P(number="11", what="a mutable default", body=schedule(LATER, OPTION.format("names: list[str]", '["a"]')), runs=True),
    P(number="11a", what="a list option of a frozen schedule", body=schedule(LATER, '    names: list[str] = field(factory=list, metadata={"help": "x"})\n'), job=BY_TRIGGER.replace('"bad"\n', '{ type = "bad", names = ["a"] }\n'), runs=True, quiet="no mistake any more: lists, sets and tables are options like others"),
    P(number="11b", what="a dict option of a frozen schedule", body=schedule(LATER, '    names: dict[str, str] = field(factory=dict, metadata={"help": "x"})\n'), job=BY_TRIGGER.replace('"bad"\n', '{ type = "bad", names = { a = "b" } }\n'), runs=True, quiet="no mistake any more: lists, sets and tables are options like others"),
    P(number="12", what="KeyError in __attrs_post_init__", body=schedule(LATER, '    def __attrs_post_init__(self):\n        raise KeyError("x")\n'), runs=True),
    P(number="12b", what="a ValueError of two lines", body=schedule(LATER, '    def __attrs_post_init__(self):\n        raise ValueError("one\\ntwo\\x1b[31m")\n'), runs=True),
    P(number="13", what="time.sleep(3) in watch", body=source("while True:\n            time.sleep(3)\n            await asyncio.sleep(0)"), runs=True),
    P(number="13b", what="watch blocks without end", body=source("threading.Event().wait()"), runs=True),
    P(number="14", what="endless loop in next_after", body=schedule("while True: pass"), runs=True),
    P(number="15", what="next_after in the past", body=schedule("return instant - timedelta(hours=1)"), runs=True),
    P(number="15a", what="next_after returns its argument", body=schedule("return instant"), runs=True),
    P(number="15b", what="next_after without a zone", body=schedule("return datetime(2099, 1, 1)"), runs=True),
    P(number="15c", what="next_after returns text", body=schedule('return "soon"'), runs=True),
    P(number="15d", what="next_after raises", body=schedule('raise KeyError("x")'), runs=True),
    P(number="15e", what="next_after takes two arguments", replace=("def next_after(self, instant)", "def next_after(self, instant, zone)"), runs=True),
    P(number="15f", what="next_after is async", replace=("def next_after", "async def next_after"), runs=True),
    P(number="15g", what="starts a microsecond apart", body=schedule("return instant + timedelta(microseconds=1)"), runs=True),
    P(number="15h", what="next_after takes 2 s", body=schedule("time.sleep(2)\n        return instant + timedelta(seconds=1)"), runs=True),
    P(number="16", what="the same key for all", body=source('while True:\n            await context.emit("tick")\n            await context.timer.sleep(1)'), runs=True),
    P(number="16b", what="a reading of the clock as key", body=source("while True:\n            await context.emit(str(datetime.now()))\n            await context.timer.sleep(1)"), runs=True),
    P(number="17", what="emits after its cancellation", body=source("try:\n            await asyncio.Event().wait()\n        finally:\n            await context.emit('late')"), runs=True),
    P(number="18", what="swallows its cancellation", body=source("while True:\n            try:\n                await asyncio.sleep(3600)\n            except asyncio.CancelledError:\n                pass"), runs=True),
    P(number="19", what="leaks 20 MB a second", body=source("kept = []\n        while True:\n            kept.append(bytearray(20_000_000))\n            await context.timer.sleep(1)"), runs=True, quiet="memory belongs to no plugin of a process; doctor shows that of the daemon"),
    P(number="20", what="a random schedule", body=schedule("return instant + timedelta(seconds=random.randint(1, 9))"), runs=True),
    P(number="20b", what="a schedule that reads the clock", body=schedule("return max(instant, datetime.now(UTC)) + timedelta(seconds=1)"), runs=True),
    P(number="21", what="the name of a built-in", name="cron", replace=('type = "bad"', 'type = "cron"'), job='[jobs.bad]\ncommand = ["true"]\nschedule = "* * * * *"\n', runs=True),
    P(number="21b", what="two of a name", twice=True),
    P(number="22", what="RAE_API = 2", replace=("RAE_API = 1", "RAE_API = 2")),
    P(number="22a", what="RAE_API = 1.5", replace=("RAE_API = 1", "RAE_API = 1.5")),
    P(number="22b", what='RAE_API = "1"', replace=("RAE_API = 1", 'RAE_API = "1"')),
    P(number="22c", what="RAE_API is missing", replace=("RAE_API = 1\n", ""), runs=True),
    P(number="23", what="an import that fails", replace=("RAE_API = 1", "import there_is_no_such\nRAE_API = 1")),
    P(number="23b", what="a syntax error", replace=("RAE_API = 1", "RAE_API = = 1")),
    P(number="23d", what="imports rae_auto.engine", replace=("RAE_API = 1", "import rae_auto.engine\nRAE_API = 1"), runs=True),
    P(number="24", what="an import of 4 s", replace=("RAE_API = 1", "while time.process_time() < 4: pass\nRAE_API = 1"), runs=True),
    P(number="25", what="prints at its import", replace=("RAE_API = 1", "print('hello')\nRAE_API = 1"), runs=True),
    P(number="25b", what="prints in next_after", body=schedule("print('hello')\n        " + LATER), runs=True),
    P(number="26", what="sys.exit at its import", replace=("RAE_API = 1", "sys.exit('bye')\nRAE_API = 1")),
    P(number="26a", what="sys.exit in next_after", body=schedule("sys.exit('bye')"), runs=True),
    P(number="26b", what="sys.exit in watch", body=source("sys.exit('bye')"), runs=True),
    P(number="26c", what="sys.exit in notify", body=notifier("sys.exit('bye')"), runs=True, **_on("notifier")),
    P(number="26d", what="KeyboardInterrupt in watch", body=source("raise KeyboardInterrupt"), runs=True),
    P(number="26e", what="sys.exit in read", body=read_guard("sys.exit('bye')"), runs=True, **_on("guard")),
    P(number="27", what="a thread that is left", body=source("threading.Thread(target=threading.Event().wait, name='left', daemon=True).start()\n        await asyncio.Event().wait()"), runs=True),
    P(number="27b", what="to_thread that never ends", body=source("await asyncio.to_thread(threading.Event().wait)"), runs=True),
    P(number="28", what="watch is not async", body=source("pass"), replace=("async def watch", "def watch"), runs=True),
    P(number="28b", what="watch returns at once", body=source("return"), runs=True),
    P(number="28c", what="watch with wrong arguments", body=source("await asyncio.Event().wait()"), replace=("(self, context)", "(self)"), runs=True),
    P(number="28d", what="an event that is not JSON", body=source('await context.emit("a", {"x": {1}})\n        await asyncio.Event().wait()'), runs=True),
    P(number="28e", what="a key that is not text", body=source("await context.emit(5)\n        await asyncio.Event().wait()"), runs=True),
    P(number="28f", what="emit without await", body=source('context.emit("a")\n        await asyncio.Event().wait()'), runs=True),
    P(number="28g", what="2,000 emits a second", body=source('n = 0\n        while True:\n            n += 1\n            await context.emit(f"{time.time()} {n}")'), runs=True),
    P(number="28h", what="watch raises", body=source('raise KeyError("x")'), runs=True),
    P(number="29", what="never ends, ignores cancel", body=executor(wait="await asyncio.Event().wait()", cancel="pass"), runs=True, **_on("executor")),
    P(number="29b", what="loses the output", body=executor(), runs=True, quiet="a job may print nothing; ExecutorConformance names it", **_on("executor")),
    P(number="29c", what="wait returns nonsense", body=executor(wait="return 0"), runs=True, **_on("executor")),
    P(number="29d", what="wait raises", body=executor(wait='raise OSError("boom")'), runs=True, **_on("executor")),
    P(number="29e", what="start returns nonsense", body=executor(start="return 5"), runs=True, **_on("executor")),
    P(number="29f", what="start raises", body=executor(start='raise KeyError("x")'), runs=True, **_on("executor")),
    P(number="29g", what="cancel raises", body=executor(wait="await asyncio.Event().wait()", cancel='raise KeyError("x")'), runs=True, **_on("executor")),
    P(number="29h", what="a handle that is not JSON", body=executor(handle='{"x": Path("a")}'), runs=True, **_on("executor")),
    P(number="29i", what="start never returns", body=executor(start="await asyncio.Event().wait()"), runs=True, **_on("executor")),
    P(number="29j", what="claims backends it hasn't", body=executor(more='    @classmethod\n    def backends(cls):\n        return {"memory": "magic"}\n'), runs=True, quiet="only the suite runs a job that needs the limit", **_on("executor")),
    P(number="30", what="a store that keeps nothing", body=store("commit(self, changes)", "return None"), runs=True, quiet="the suite kills a process after a commit; a daemon believes its store", **_on("store")),
    P(number="30b", what="commit takes 3 s", body=store("commit(self, changes)", "time.sleep(3)\n        return SqliteStore.commit(self, changes)"), runs=True, seconds=30, **_on("store")),
    P(number="30c", what="commit raises", body=store("commit(self, changes)", "raise ZeroDivisionError"), runs=True, **_on("store")),
    P(number="30d", what="load raises", body=store("load(self, kind)", "raise ZeroDivisionError"), runs=True, **_on("store")),
    P(number="31", what="a sink that raises", body=logger('def sink(message):\n            raise OSError("gone")\n        return {"sink": sink}'), runs=True, **_on("logger")),
    P(number="31b", what="a sink that blocks", body=logger('return {"sink": lambda message: time.sleep(3)}'), runs=True, seconds=25, **_on("logger")),
    P(number="31c", what="handler returns None", body=logger("return None"), runs=True, **_on("logger")),
    P(number="31d", what="handler raises", body=logger('raise OSError("no socket")'), runs=True, **_on("logger")),
    P(number="31e", what="a level that doesn't exist", body=logger('return {"sink": print, "level": "LOUD"}'), runs=True, **_on("logger")),
    P(number="31f", what="logger.remove() in handler", body=logger('from loguru import logger\n        logger.remove()\n        return {"sink": lambda message: None}'), runs=True, **_on("logger")),
    P(number="32", what="notify hangs", body=notifier("await asyncio.Event().wait()"), runs=True, seconds=40, **_on("notifier")),
    P(number="32b", what="notify blocks 3 s", body=notifier("time.sleep(3)"), runs=True, **_on("notifier")),
    P(number="32c", what="notify raises", body=notifier('raise OSError("no")'), runs=True, quiet="no mistake: an OSError with one line is how a notifier says that it failed", **_on("notifier")),
    P(number="32d", what="notify is not async", body=notifier("pass"), replace=("async def notify", "def notify"), runs=True, **_on("notifier")),
    P(number="32e", what="notify with other arguments", body=notifier("pass"), replace=("(self, notice)", "(self)"), runs=True, **_on("notifier")),
    P(number="32f", what="notify returns at once, and delivers nothing", body=notifier("return False"), runs=True, quiet="a notifier says by raising that it failed; the suite's receiver waits for the notice", **_on("notifier")),
    P(number="33", what="a guard returns True", body=read_guard("return True"), runs=True, **_on("guard")),
    P(number="33b", what='a guard returns "yes"', body=read_guard('return "yes"'), runs=True, **_on("guard")),
    P(number="33c", what="GuardResult(True, …)", body=read_guard('return GuardResult(True, "x")'), runs=True, **_on("guard")),
    P(number="33d", what="a guard blocks 3 s", body=read_guard('time.sleep(3)\n        return GuardResult(Verdict.YES, "x")'), runs=True, **_on("guard")),
    P(number="33e", what="a guard never answers", body=read_guard("await asyncio.Event().wait()"), runs=True, seconds=20, **_on("guard")),
    P(number="33f", what="a guard raises", body=read_guard('raise OSError("no")'), runs=True, **_on("guard")),
    P(number="33g", what="a computed guard reads the clock", body=computed_guard('return GuardResult(Verdict.YES if datetime.now(UTC).second % 2 else Verdict.NO, "x")'), runs=True, **_on("guard")),
    P(number="33h", what="changes_after in the past", body=computed_guard('return GuardResult(Verdict.YES, "x")', "return instant - timedelta(hours=1)"), runs=True, **_on("guard")),
    P(number="33i", what="a guard calls sys.exit", body=computed_guard("sys.exit('bye')"), runs=True, **_on("guard")),
    P(number="33j", what="endless loop in evaluate", body=computed_guard("while True: pass"), runs=True, **_on("guard")),
)  # fmt: skip
"""All that the review planted, by its numbers."""
