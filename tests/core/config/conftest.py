"""A configuration needs plugins to be checked against; these are few and small."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import ClassVar, Literal

import pytest
from attrs import define, field, frozen, validators

from rae_auto.api import ScheduleTrigger, SourceTrigger, Trigger, TriggerContext
from rae_auto.api.plugin import Kind, Plugin
from rae_auto.errors import PluginBroken, PluginNotFound
from rae_auto.model.policies import Overlap
from rae_auto.model.primitives.units import Size, parse_size


@frozen(kw_only=True)
class Cron(ScheduleTrigger):
    """Fires at the instants of an expression.

    Not really.
    """

    type = "cron"

    expression: str = field(metadata={"help": "five fields"})
    timezone: str | None = None
    jitter: timedelta = timedelta(0)

    def __attrs_post_init__(self) -> None:
        if len(self.expression.split()) != 5:
            raise ValueError(f"{self.expression!r} has not five fields")

    def next_after(self, instant: datetime) -> datetime | None:
        return instant + timedelta(minutes=1)

    def warnings(self) -> tuple[str, ...]:
        return ("runs often",) if self.expression == "* * * * *" else ()


@frozen(kw_only=True)
class Interval(ScheduleTrigger):
    type = "interval"

    every: timedelta
    from_: datetime | None = None

    def next_after(self, instant: datetime) -> datetime | None:
        return instant + self.every


@frozen(kw_only=True)
class After(SourceTrigger):
    """Follows jobs."""

    type = "after"

    jobs: tuple[str, ...] = ()
    inner: tuple[Trigger, ...] = ()

    def upstream_jobs(self) -> tuple[str, ...]:
        return (
            *self.jobs,
            *(job for one in self.inner if isinstance(one, SourceTrigger) for job in one.upstream_jobs()),
        )

    async def watch(self, context: TriggerContext) -> None:
        raise NotImplementedError


@define(kw_only=True)
class Anything(Plugin):
    """Takes options of every type."""

    type = "anything"

    text: str = ""
    number: float = 0.0
    count: int = field(default=1, validator=[validators.ge(1), validators.lt(10)])
    flag: bool = False
    size: Size | None = None
    rotation: int = field(default=0, converter=parse_size)
    path: Path = Path()
    words: tuple[str, ...] = ()
    table: dict[str, int] = field(factory=dict)
    overlap: Overlap = Overlap.SKIP
    level: Literal["low", "high"] = "low"
    colour: str = field(default="red", validator=validators.in_(["red", "green"]))
    code: str = field(default="a", validator=validators.matches_re("[a-z]+"))
    either: int | str | None = None


@define
class Plain(Plugin):
    type = "plain"


@define
class Elsewhere(Plugin):
    type = "elsewhere"

    @classmethod
    def available(cls) -> str | None:
        return "it needs another planet"


class Source:
    """A source of plugins that needs no installation."""

    classes: ClassVar[dict[Kind, dict[str, type[Plugin]]]] = {
        Kind.TRIGGER: {"after": After, "cron": Cron, "interval": Interval},
        Kind.EXECUTOR: {"process": Plain, "thread": Plain, "anything": Anything},
        Kind.STORE: {"sqlite": Plain, "json": Plain, "elsewhere": Elsewhere},
        Kind.LOGGER: {"console": Plain, "file": Anything},
        Kind.NOTIFIER: {"command": Anything},
        Kind.GUARD: {},
    }

    def names(self, kind: Kind) -> Collection[str]:
        return {*self.classes[kind], "broken"}

    def get(self, kind: Kind, name: str) -> type[Plugin]:
        if name == "broken":
            raise PluginBroken(f"{kind} 'broken' can't be imported: no module named 'x'")
        try:
            return self.classes[kind][name]
        except KeyError:
            raise PluginNotFound(f"there is no {kind} {name!r}") from None


@pytest.fixture
def plugins() -> Source:
    return Source()


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes a configuration file, for its owner alone to write."""

    def write_file(content: str | bytes) -> Path:
        path = tmp_path / "rae.toml"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(0o600)
        return path

    return write_file
