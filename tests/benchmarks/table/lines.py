"""The lines of the table: what each measures, of whom, and in which sizes."""

from collections.abc import Mapping

from attrs import frozen

FLOOR = "floor"
OURS = "rae-auto"


@frozen
class Subject:
    """One that is measured: a script beside this folder that is called with line, size and variant.

    `requirements` are the distributions that it needs, by the name under which another Python can be given for it.
    """

    script: str
    variant: str = ""
    requirements: tuple[str, ...] = ()
    max_size: int | None = None
    """The largest size that it is measured with; more would take minutes."""


_OURS = Subject("ours")
_FLOOR = Subject("floors")
_RECORDS = {"the same records, in Python": Subject("records_alone")}
_PROMISES = {"the same promises, in Python": Subject("commands_alone")}
_APSCHEDULER3 = ("apscheduler<4", "sqlalchemy")
_APSCHEDULER4 = ("apscheduler>=4", "sqlalchemy", "aiosqlite", "greenlet", "sniffio")

_PEERS = {
    "APScheduler 3, in memory": Subject("apscheduler3", "memory", _APSCHEDULER3),
    "APScheduler 3, SQLite": Subject("apscheduler3", "sqlite", _APSCHEDULER3),
    "APScheduler 4, in memory": Subject("apscheduler4", "memory", _APSCHEDULER4, max_size=1_000),
    "APScheduler 4, SQLite": Subject("apscheduler4", "sqlite", _APSCHEDULER4, max_size=1_000),
    "huey, SQLite": Subject("huey_tasks", "", ("huey",)),
}
"""Each as it is by default, and so that jobs survive a restart: that is the fair comparison."""


@frozen(kw_only=True)
class Line:
    """One line of the table. `meaning` says to a user what the figures are; each is in `unit`."""

    name: str
    meaning: str
    unit: str
    sizes: tuple[int, ...]
    small_size: int
    subjects: Mapping[str, Subject]
    is_rate: bool = False
    """More is better."""
    goals: Mapping[str, float] = {}
    """The most that a figure of ours should be, by its name."""
    repeats: int | None = None
    """The number of measurements of a subject, if it repeats by itself; by default that of the command line."""


LINES = (
    Line(
        name="lateness",
        meaning="how late {size:,} Python functions start that are due in the same second",
        unit="ms",
        sizes=(1_000, 5_000),
        small_size=20,
        subjects={OURS: _OURS, **_PEERS, **_RECORDS, FLOOR: _FLOOR},
    ),
    Line(
        name="lateness_of_commands",
        meaning="how late {size:,} commands start that are due in the same second",
        unit="ms",
        sizes=(100, 500),
        small_size=3,
        subjects={
            OURS: Subject("daemons", OURS),
            "cronstable": Subject("daemons", "cronstable", ("cronstable",)),
            **_PROMISES,
            FLOOR: _FLOOR,
        },
    ),
    Line(
        name="runs",
        meaning="Python functions that do nothing, each run on record, of {size:,}",
        unit="per second",
        sizes=(5_000,),
        small_size=20,
        subjects={OURS: _OURS, "huey, SQLite": _PEERS["huey, SQLite"], **_RECORDS, FLOOR: _FLOOR},
        is_rate=True,
    ),
    Line(
        name="commands",
        meaning="commands that do nothing, each with its exit status on record, of {size:,}",
        unit="per second",
        sizes=(2_000,),
        small_size=20,
        subjects={OURS: _OURS, **_PROMISES, FLOOR: _FLOOR},
        is_rate=True,
    ),
    Line(
        name="memory",
        meaning="resident memory of an idle daemon with {size:,} cron jobs",
        unit="MB",
        sizes=(10, 10_000),
        small_size=3,
        subjects={
            f"{OURS}, jobs in rae.toml": Subject("daemons", OURS),
            OURS: Subject("daemons", f"{OURS} store"),
            "APScheduler 3, in memory": Subject("daemons", "APScheduler", _APSCHEDULER3),
            "cronstable": Subject("daemons", "cronstable", ("cronstable",)),
            FLOOR: _FLOOR,
        },
    ),
    Line(
        name="idle",
        meaning="a daemon with a hundred jobs, none of which is due, watched for {size} seconds",
        unit="each by its name",
        sizes=(60,),
        small_size=1,
        subjects={
            OURS: Subject("daemons", OURS),
            "APScheduler 3, in memory": Subject("daemons", "APScheduler", _APSCHEDULER3),
            "cronstable": Subject("daemons", "cronstable", ("cronstable",)),
        },
    ),
    Line(
        name="add",
        meaning="adding {size:,} jobs durably, and a restart with them until the first start",
        unit="s",
        sizes=(10_000,),
        small_size=20,
        subjects={
            OURS: _OURS,
            "APScheduler 3, SQLite": _PEERS["APScheduler 3, SQLite"],
            FLOOR: _FLOOR,
        },
    ),
    Line(
        name="history",
        meaning="questions to a history of {size:,} runs, and a step of pruning that finds nothing",
        unit="ms",
        sizes=(1_000, 100_000, 1_000_000),
        small_size=200,
        subjects={OURS: _OURS},
    ),
    Line(
        name="command_line",
        meaning="commands, each the median of {size} cold starts",
        unit="ms",
        sizes=(20,),
        small_size=1,
        subjects={OURS: _OURS, FLOOR: _FLOOR},
    ),
    Line(
        name="simulation",
        meaning="{size} days of a hundred jobs simulated, seconds of processor time",
        unit="each by its name",
        sizes=(31,),
        small_size=1,
        subjects={OURS: _OURS},
    ),
    Line(
        name="expressions",
        meaning="{size:,} different cron expressions read, and the next start of each, processor time",
        unit="ms",
        sizes=(10_000,),
        small_size=50,
        subjects={
            OURS: _OURS,
            "APScheduler 3": Subject("apscheduler3", "", _APSCHEDULER3),
            "cronsim": Subject("cronsim_expressions", "", ("cronsim",)),
        },
    ),
    Line(
        name="pages",
        meaning="the pages of 'rae-auto ui' beside a daemon, each event {size} times",
        unit="each by its name",
        sizes=(50,),
        small_size=2,
        subjects={OURS: Subject("pages")},
        goals={
            "start to the first answer, ms": 800,
            "resident, MB": 60,
            "first load, kB": 100,
            "first load, requests": 4,
            "event to message, p95 ms": 150,
            "event to page, p95 ms": 150,
            "daemon with three viewers, MB more": 1,
            "daemon with three viewers, % of a core": 1,
            "end of 1,000 MB of output, ms": 200,
        },
        repeats=1,
    ),
    Line(
        name="page_times",
        meaning="answers of the pages of 10,000 jobs with a history of {size:,} runs",
        unit="ms, and MB",
        sizes=(1_000_000,),
        small_size=300,
        subjects={OURS: Subject("pages")},
        goals={
            **dict.fromkeys((f"{page}, p95 ms" for page in ("timeline", "timeline of 31 days", "month")), 100),
            **dict.fromkeys(
                (
                    f"{page}, p95 ms"
                    for page in (
                        *("now", "day", "day before", "jobs", "job", "run", "why now", "why then", "output"),
                        *("test-trigger", "what if", "health", "digest"),
                    )
                ),
                50,
            ),
        },
        repeats=1,
    ),
    Line(
        name="top",
        meaning="the screen of 'rae-auto top' in a terminal, the selection moved {size} times",
        unit="each by its name",
        sizes=(10,),
        small_size=1,
        subjects={OURS: Subject("terminal_view")},
        goals={
            "first frame, ms": 1_000,
            "complete frame, ms": 800,
            "a step of the selection, bytes": 1_500,
            "nothing happens, bytes a second": 50,
        },
        repeats=1,
    ),
)
