"""Faults of the configuration, its plugins, services, the machine's sleep and the daemon."""

from pathlib import Path

from tests.core.offline.doctor.fault_table import fault, in_toml
from tests.support.faulty_machine import DAEMON, World

from rae_auto.errors import BadRequest, DaemonUnreachable
from rae_auto.registry.index import installed
from rae_auto.service.definition import Origin
from rae_auto.service.systemd import unit_path
from rae_auto.testing.harness.ports import free_port
from rae_plugins.triggers.system import SystemTrigger

# The configuration.


@fault("no configuration", "configuration: no rae.toml here …; create one with 'rae-auto init', or use --config")
def _no_configuration(world: World) -> None:
    world.config = None  # type: ignore[assignment]


@fault("a configuration that others can write", "configuration: …is writable by everyone; run 'chmod go-w …")
def _open_configuration(world: World) -> None:
    world.config.chmod(0o666)


@fault("a file that isn't TOML", "configuration: …:1: invalid TOML: …; write shell = …")
def _no_toml(world: World) -> None:
    world.configure('shell "true"\n')


in_toml("an unknown key", "timeuot = 3\n", 'configuration: …timeuot: unknown key; did you mean "timeout"?')
in_toml("no such program", '[jobs.a]\ncommand = ["nix"]\n', 'configuration: …"nix" not found on PATH; install it, …')
in_toml("no such folder", '[jobs.a]\ncommand = ["true"]\ncwd = "/no"\n', "configuration: …does not exist; create it, …")
in_toml(
    "a variable that isn't set",
    '[jobs.a]\ncommand = ["true"]\nenv = { A = "${env:NOT_THERE}" }\n',
    "configuration: …refers to ${env:NOT_THERE}, which is not set in the daemon's environment…",
)
in_toml(
    "a file of variables that isn't there",
    '[jobs.a]\ncommand = ["true"]\nenv_file = ".env"\n',
    "configuration: …/.env does not exist; create it, or correct the path",
)
in_toml(
    "a schedule that is over",
    '[jobs.a]\ncommand = ["true"]\ntrigger = { type = "once", at = 2020-01-01T00:00:00Z }\n',
    "configuration: …never starts the job, because all its times are in the past; change or remove it",
)
in_toml(
    "notices for no notifier",
    '[jobs.a]\ncommand = ["true"]\nnotify = { on = ["failure"] }\n',
    "configuration: …has no effect, because there are no notifiers; add [notifiers.NAME]",
)
in_toml(
    "a watched folder that isn't there",
    '[jobs.a]\ncommand = ["true"]\ntrigger = { type = "file", paths = ["/no/where"] }\n',
    "configuration: …/no…",
)
in_toml(
    "a limit that nothing enforces",
    '[jobs.a]\npython = "os:getpid"\nisolated = false\nlimits = { memory = "1GB", best_effort = true }\n',
    'limits: job "a": limits.memory has no effect (…); remove it, or use an executor that can enforce it',
)


# Notifiers, loggers, and the buses behind plugins.


@fault("a mail server that isn't there", 'notifier: notifier "ops": 127.0.0.1:…: can\'t be reached (…); check host …')
def _no_mail_server(world: World) -> None:
    world.add(f'[notifiers.ops]\ntype = "email"\nto = "a@example.org"\nhost = "127.0.0.1"\nport = {free_port()}\n')


@fault("a webhook that isn't there", 'notifier: notifier "ops": 127.0.0.1:… can\'t be reached (…); check url …')
def _no_webhook(world: World) -> None:
    world.monkeypatch.setenv("no_proxy", "127.0.0.1")
    world.add(f'[notifiers.ops]\ntype = "webhook"\nurl = "http://127.0.0.1:{free_port()}/topic"\n')


@fault("healthchecks that isn't there", 'notifier: notifier "ops": 127.0.0.1:… can\'t be reached (…); check url …')
def _no_healthchecks(world: World) -> None:
    world.monkeypatch.setenv("no_proxy", "127.0.0.1")
    world.add(f'[notifiers.ops]\ntype = "healthchecks"\nurl = "http://127.0.0.1:{free_port()}/ping"\n')


@fault("no desktop for notices", 'notifier: notifier "me": there is no session bus…; …')
def _no_session_bus(world: World) -> None:
    world.monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={world.home}/bus")
    world.add('[notifiers.me]\ntype = "desktop"\n')


in_toml(
    "no mail program",
    '[notifiers.ops]\ntype = "email"\nto = "a@example.org"\nsendmail = "/no/mail"\n',
    "configuration: …/no/mail…; …",
)
in_toml(
    "a password that can't be read",
    '[notifiers.ops]\ntype = "email"\nto = "a@b.c"\nhost = "h"\nuser = "u"\npassword = "${file:/no/password}"\n',
    "configuration: …password: refers to /no/password, which can't be read: …",
)


@fault("no syslog server", 'logger: logger "syslog": syslog at 127.0.0.1:… can\'t be reached (…); check host, …')
def _no_syslog(world: World) -> None:
    logger = f'{{ type = "syslog", host = "127.0.0.1", protocol = "tcp", port = {free_port()} }}'
    world.add_before(f"loggers = [{logger}]")


@fault("a log in a file", 'logger: logger "file": … is not a directory, so x.log can\'t be in it; change the path')
def _log_in_a_file(world: World) -> None:
    (world.home / "file").touch()
    world.add_before('loggers = [{ type = "file", path = "file/x.log" }]')


@fault("a system bus that doesn't answer", 'trigger: job "a": the system bus at … does not answer (…); start dbus, …')
def _dead_bus(world: World) -> None:
    (world.home / "bus").touch()
    world.monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={world.home}/bus")
    assert SystemTrigger(on=["lock"])
    world.add('[jobs.a]\ncommand = ["true"]\ntrigger = { type = "system", on = ["lock"] }\n')


@fault("no system bus", "configuration: …lock can't be reported here: …there is no system bus at …; start dbus …")
def _no_bus(world: World) -> None:
    world.monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={world.home}/bus")
    world.add('[jobs.a]\ncommand = ["true"]\ntrigger = { type = "system", on = ["lock"] }\n')


@fault("no desktop for the idle guard", 'guard: job "a": the idle time can\'t be read (…); run the daemon in a …')
def _no_desktop(world: World) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        world.monkeypatch.delenv(name, raising=False)
    for name in ("DBUS_SYSTEM_BUS_ADDRESS", "DBUS_SESSION_BUS_ADDRESS"):
        world.monkeypatch.setenv(name, f"unix:path={world.home}/bus")
    world.add('[jobs.a]\ncommand = ["true"]\nguards = [{ type = "idle", for = "5m" }]\n')


@fault("a plugin with a taken name", 'plugin: trigger "cron" of rae_bad 2.5 is never used, …; uninstall rae_bad')
def _clash(world: World) -> None:
    info = world.home / "site" / "rae_bad-2.5.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rae_bad\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[rae_auto.triggers]\ncron = rae_bad\n")
    world.monkeypatch.syspath_prepend(str(info.parent))
    # Without the list of the first look.
    world.monkeypatch.setattr("rae_auto.registry.registry.installed", installed.__wrapped__)


@fault(
    "fewer watches than the triggers need",
    'limits: the triggers need … of the 1,500 of fs.inotify.max_user_watches (job "a": …, job "b": …); '
    "run 'sudo sysctl fs.inotify.max_user_watches=4096'",
)
def _few_watches_for_triggers(world: World) -> None:
    world.write_system("/proc/sys/fs/inotify/max_user_watches", "1500\n")
    for number in range(900):
        (world.home / "tree" / f"{number}").mkdir(parents=True)
    paths = f'paths = ["{world.home}/tree"]'
    world.add(
        f'[jobs.a]\ncommand = ["true"]\ntrigger = {{ type = "file", {paths}, recursive = true }}\n'
        f'[jobs.b]\ncommand = ["true"]\ntrigger = {{ type = "combine", within = "1h", all = [{{ type = "file", {paths},'
        ' recursive = true }, { type = "job", jobs = ["a"] }] }\n'
    )


# Services, sleep, and the daemon.


def install_service(world: World, program: str = "/bin/true", config: Path | None = None) -> Path:
    path = unit_path("rae-auto", is_system=False)
    path.parent.mkdir(parents=True)
    mark = Origin(config or world.config, world.state).mark()
    path.write_text(f"# {mark}\n[Service]\nExecStart={program} run\n")
    return path


@fault("a service whose configuration is gone", "service: …: enabled, …; its configuration is gone; remove it with …")
def _service_without_file(world: World) -> None:
    install_service(world, config=world.home / "gone.toml")


@fault("a service whose program is gone", "service: …/gone/rae-auto, which it starts, is gone; install it again …")
def _service_without_program(world: World) -> None:
    install_service(world, program="/gone/rae-auto")


@fault("a service that isn't enabled", "service: …: not enabled, …; enable it with 'rae-auto service install …")
def _service_not_enabled(world: World) -> None:
    install_service(world)
    world.add_program("systemctl", 'case "$*" in *is-enabled*) exit 1;; esac')


@fault("no lingering for a job at night", 'service: … while you are logged in, and "a" (03:00) …; run \'loginctl …')
def _no_lingering(world: World) -> None:
    install_service(world)
    world.add('[jobs.a]\ncommand = ["true"]\nschedule = "0 3 * * *"\n')


@fault("a machine that sleeps at night", 'sleep: … (IdleAction=suspend in …), …"a" (03:00); set IdleAction=ignore …')
def plant_sleep(world: World) -> None:
    world.write_system("/etc/systemd/logind.conf", "[Login]\n#IdleAction=ignore\n")
    world.write_system("/etc/systemd/logind.conf.d/idle.conf", "[Login]\nIdleAction=suspend\n")
    world.add('[jobs.a]\ncommand = ["true"]\nschedule = "0 3 * * *"\n')


@fault("a desktop that sleeps at night", "sleep: … (suspend after 1200 s in the settings of …), …; run 'gsettings …")
def _sleep_by_desktop(world: World) -> None:
    world.add_program("gsettings", """case "$3" in *-type) echo "'suspend'";; *) echo "1200";; esac""")
    world.add('[jobs.a]\ncommand = ["true"]\nschedule = "0 3 * * *"\n')


_JOB_AT_NIGHT = '[jobs.a]\ncommand = ["true"]\nschedule = "0 3 * * *"\n'


@fault("a KDE that sleeps at night", "sleep: … (sleep after 600 s in powerdevilrc of KDE), …; run 'kwriteconfig6 …")
def _sleep_by_kde(world: World) -> None:
    world.write_system("/etc/xdg/powerdevilrc", "[AC][SuspendAndShutdown]\nAutoSuspendIdleTimeoutSec=600\n")
    _write_kde(world, "powerdevilrc", "[AC][SuspendAndShutdown]\nAutoSuspendAction=1\n")
    world.add(_JOB_AT_NIGHT)


@fault("an older KDE that sleeps at night", "sleep: … (sleep after 1200 s in powerm… of KDE), …; run 'kwriteconfig5 …")
def _sleep_by_older_kde(world: World) -> None:
    text = "[AC][SuspendSession]\nidleTime=1200000\nsuspendType=1\n[Battery][SuspendSession]\nsuspendType=1\n"
    _write_kde(world, "powermanagementprofilesrc", text)
    world.add(_JOB_AT_NIGHT)


@fault("a KDE with its defaults", "sleep: … (sleep after 900 s by default in KDE), …; run 'kwriteconfig6 …")
def _sleep_by_default(world: World) -> None:
    world.add_program("systemd-detect-virt", "echo none; exit 1")
    world.set_environment(XDG_CURRENT_DESKTOP="KDE")
    world.add(_JOB_AT_NIGHT)


def _write_kde(world: World, name: str, text: str) -> None:
    (world.home / ".config").mkdir(exist_ok=True)
    (world.home / ".config" / name).write_text(text)


@fault("a daemon of another version", "daemon: version 0.0.1 is running, pid 4711; restart it, because this is …")
def _other_version(world: World) -> None:
    world.answer = {**DAEMON, "version": "0.0.1"}


@fault("a daemon that doesn't answer", "daemon: no answer within 5 s; check its log and restart it")
def _hung_daemon(world: World) -> None:
    world.answer = DaemonUnreachable("no answer within 5 s")


@fault("a daemon that refuses", "daemon: it can't report its status: too old; check its log")
def _refusing_daemon(world: World) -> None:
    world.answer = BadRequest("too old")


@fault("a daemon with a problem", 'daemon: source "x" is quarantined; reload')
def _daemon_with_problem(world: World) -> None:
    world.answer = {**DAEMON, "problems": ['source "x" is quarantined; reload']}
