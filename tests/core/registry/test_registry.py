"""Plugins of real distributions: indexed without importing, loaded by name, each failure kept to itself."""

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rae_auto import entry_points
from rae_auto.api.plugin import Kind
from rae_auto.errors import PluginBroken, PluginNotFound, PluginUnavailable
from rae_auto.registry import State, containment
from rae_auto.registry.index import claims

if TYPE_CHECKING:
    from conftest import Site

HEAD = """
from attrs import frozen
from rae_auto.api import Notifier, Store
from rae_auto.hookspecs import hookimpl

@frozen
class Pager(Notifier):
    type = "NAME"
    async def notify(self, notice): ...
"""

BROKEN = {
    "cannot-be-imported": ("import there_is_no_such_module", "can't be imported (ModuleNotFoundError"),
    "no-python": ("def def", "can't be imported (SyntaxError"),
    "exits": ("import sys; sys.exit(3)", "can't be imported (SystemExit: 3)"),
    "wrong-signature": (
        HEAD + "@hookimpl\ndef rae_notifiers(config): return [Pager]",
        "its hook has the wrong signature",
    ),
    "no-hook": (HEAD + "def rae_notifiers(): return [Pager]", "has no function rae_notifiers with @hookimpl"),
    "hook-raises": (HEAD + "@hookimpl\ndef rae_notifiers(): raise OSError('no\\nluck')", "OSError: no luck"),
    "hook-exits": (HEAD + "@hookimpl\ndef rae_notifiers(): raise SystemExit(4)", "SystemExit: 4"),
    "nothing": (HEAD + "@hookimpl\ndef rae_notifiers(): pass", "rae_notifiers did not return a list of classes"),
    "no-list": (
        HEAD + "@hookimpl\ndef rae_notifiers(): return Pager",
        "rae_notifiers did not return a list of classes",
    ),
    "other-type": (HEAD.replace("NAME", "x") + "@hookimpl\ndef rae_notifiers(): return [Pager]", "returned 0 classes"),
    "twice": (HEAD + "@hookimpl\ndef rae_notifiers(): return [Pager, Pager]", "returned 2 classes"),
    "other-kind": (
        HEAD.replace("Pager(Notifier)", "Pager(Store)") + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "is not a subclass of Notifier",
    ),
    "no-attrs": (
        HEAD.replace("@frozen", "") + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "is not an attrs class",
    ),
    "abstract": (
        HEAD.replace("async def notify", "async def tell") + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "Pager does not define notify",
    ),
    "other-api": (
        "RAE_API = 2\n" + HEAD + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "it needs version 2 of the plugin API, but this is version 1.0; install a newer rae-auto",
    ),
    "older-api": (
        "RAE_API = (0, 9)\n" + HEAD + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "it was made for version 0.9 of the plugin API, but this is version 1.0; install a newer plugin",
    ),
    "newer-minor": (
        "RAE_API = (1, 7)\n" + HEAD + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "it needs version 1.7 of the plugin API, but this is version 1.0; install a newer rae-auto",
    ),
    "odd-api": (
        "RAE_API = '1'\n" + HEAD + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "its RAE_API is '1', which is not a version; write RAE_API = 1, or (1, 0)",
    ),
    "type-of-nothing": (
        HEAD.replace('"NAME"\n', '"NAME"\n    size: "Sise" = 1\n') + "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "the types of its options can't be found (name 'Sise' is not defined)",
    ),
    "variants-raise": (
        HEAD + "    @classmethod\n    def variants(cls): raise OSError('eh')\n"
        "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "variants() raised OSError('eh')",
    ),
    "variants-of-nothing": (
        HEAD + "    @classmethod\n    def variants(cls): return 'x'\n@hookimpl\ndef rae_notifiers(): return [Pager]",
        "variants() returned neither Variants with a class nor None",
    ),
    "variant-abstract": (
        "from rae_auto.api import Variants\n" + HEAD + "    @classmethod\n"
        "    def variants(cls): return Variants('how', {'a': Notifier_})\n"
        "@frozen\nclass Notifier_(Notifier):\n    type = 'variant-abstract'\n"
        "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "Notifier_ does not define notify",
    ),
    "available-raises": (
        HEAD + "    @classmethod\n    def available(cls): raise OSError('eh')\n"
        "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "available() raised OSError('eh')",
    ),
    "available-exits": (
        HEAD + "    @classmethod\n    def available(cls): raise SystemExit(5)\n"
        "@hookimpl\ndef rae_notifiers(): return [Pager]",
        "available() raised SystemExit(5)",
    ),
}

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "rae-notifier-pager"
version = "1.2.3"
[project.entry-points."rae_auto.notifiers"]
pager = "rae_notifier_pager"
[tool.hatch.build.targets.wheel]
only-include = ["rae_notifier_pager.py"]
"""


def test_a_distribution_installed_by_pip_is_found_and_serves(site: "Site", tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(PYPROJECT)
    (project / "rae_notifier_pager.py").write_text(
        HEAD.replace("NAME", "pager") + "@hookimpl\ndef rae_notifiers(): return [Pager]"
    )
    site.pip_install(project)
    registry = site.registry()

    (found,) = claims(registry.infos(), Kind.NOTIFIER, "pager")
    assert (found.state, found.provenance) == (State.INSTALLED, "rae-notifier-pager 1.2.3")
    assert registry.get(Kind.NOTIFIER, "pager").__name__ == "Pager"
    assert registry.info(Kind.NOTIFIER, "pager").state is State.LOADED


@pytest.mark.requirement("S20")
def test_the_index_imports_nothing(site: "Site") -> None:
    module = site.lay_out("pager", "raise SystemExit('imported')")
    registry = site.registry()
    assert "pager" in registry.names(Kind.NOTIFIER)
    assert claims(registry.infos(), Kind.NOTIFIER, "pager")[0].state is State.INSTALLED
    assert module not in sys.modules


@pytest.mark.requirement("S20")
def test_the_index_reads_each_distribution_once(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    site.lay_out("first")
    site.lay_out("second")
    read: list[tuple[str, str]] = []
    read_file = entry_points._read

    def count_read(folder: str, name: str) -> bytes:
        read.append((Path(folder).name, name))
        return read_file(folder, name)

    monkeypatch.setattr(entry_points, "_read", count_read)
    assert {"first", "second"} < {info.name for info in site.registry().infos()}
    points = [(name, file) for name, file in read if file == "entry_points.txt"]
    assert len(points) == len(set(points)) > 2
    texts = Counter(name.partition("-")[0] for name, file in read if file == "METADATA")
    assert (texts["rae_auto"], texts["rae_notifier_first"]) == (1, 1)


def test_a_plugin_is_imported_alone_and_only_when_its_class_is_asked_for(site: "Site") -> None:
    wanted, other = site.lay_out("pager"), site.lay_out("bell")
    registry = site.registry()
    registry.get(Kind.NOTIFIER, "pager")
    assert wanted in sys.modules
    assert other not in sys.modules


def test_the_same_class_is_given_every_time(site: "Site") -> None:
    site.lay_out("pager")
    registry = site.registry()
    assert registry.get(Kind.NOTIFIER, "pager") is registry.get(Kind.NOTIFIER, "pager")


@pytest.mark.requirement("S21")
@pytest.mark.parametrize("fault", BROKEN)
def test_broken_plugin_is_one_line_with_its_distribution(site: "Site", fault: str) -> None:
    source, problem = BROKEN[fault]
    site.lay_out(fault, source, "rae_notifier_broken")
    site.lay_out("pager")
    registry = site.registry()

    with pytest.raises(PluginBroken) as caught:
        registry.get(Kind.NOTIFIER, fault)
    message = str(caught.value)
    assert message.startswith(f'notifier "{fault}" of rae_notifier_broken 1.0 is broken: ')
    assert problem in message
    assert "\n" not in message
    info = registry.info(Kind.NOTIFIER, fault)
    assert (info.state, info.problem) == (State.BROKEN, message)
    assert registry.get(Kind.NOTIFIER, "pager")


def test_an_interrupt_during_an_import_is_not_the_plugins_fault(site: "Site", monkeypatch: pytest.MonkeyPatch) -> None:
    # Another test of this process may have started a daemon, which takes interrupts for itself.
    monkeypatch.setattr(containment, "_TAKEN", [False])
    site.lay_out("pager", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.registry().get(Kind.NOTIFIER, "pager")


def test_what_a_plugin_says_of_its_fault_is_bounded(site: "Site") -> None:
    site.lay_out("pager", "raise OSError('x' * 100_000)")
    with pytest.raises(PluginBroken) as caught:
        site.registry().get(Kind.NOTIFIER, "pager")
    assert len(str(caught.value)) < 600


@pytest.mark.requirement("S21")
def test_name_clash_names_both_distributions_and_imports_none(site: "Site") -> None:
    modules = {site.lay_out("pager", distribution=name) for name in ("rae_notifier_one", "rae_notifier_two")}
    registry = site.registry()
    with pytest.raises(
        PluginBroken, match=r"provided by rae_notifier_one 1\.0 and rae_notifier_two 1\.0; uninstall one"
    ):
        registry.get(Kind.NOTIFIER, "pager")
    assert {info.state for info in claims(registry.infos(), Kind.NOTIFIER, "pager")} == {State.BROKEN}
    assert not modules & set(sys.modules)


@pytest.mark.requirement("S21")
def test_no_distribution_replaces_a_built_in(site: "Site") -> None:
    site.lay_out("command", distribution="rae_notifier_thief")
    registry = site.registry()
    assert registry.get(Kind.NOTIFIER, "command").__module__.startswith("rae_plugins.")
    assert registry.provenance(Kind.NOTIFIER, "command").startswith("rae-auto ")
    (loser,) = [one for one in claims(registry.infos(), Kind.NOTIFIER, "command") if not one.is_built_in]
    assert loser.state is State.BROKEN
    assert "rae-auto has a built-in notifier of that name; its author must rename it" in str(loser.problem)


def test_one_name_in_two_kinds_is_no_clash(site: "Site") -> None:
    site.lay_out("cron", distribution="rae_notifier_cron")
    registry = site.registry()
    assert registry.get(Kind.NOTIFIER, "cron").type == "cron"
    assert claims(registry.infos(), Kind.TRIGGER, "cron")[0].state is State.INSTALLED


def test_a_plugin_that_cannot_serve_here_says_why(site: "Site") -> None:
    reason = "    @classmethod\n    def available(cls): return 'it needs a modem'\n"
    site.lay_out("pager", HEAD + reason + "@hookimpl\ndef rae_notifiers(): return [Pager]")
    registry = site.registry()
    with pytest.raises(PluginUnavailable, match='notifier "pager" is not available on this machine'):
        registry.get(Kind.NOTIFIER, "pager")
    assert registry.info(Kind.NOTIFIER, "pager").state is State.UNAVAILABLE


@pytest.mark.parametrize(
    ("asked", "hint"),
    [
        ("comand", '; did you mean "command"?'),
        ("zzzzzz", "; installed: command, desktop, email, healthchecks, webhook"),
    ],
)
def test_unknown_plugin_name_gets_a_suggestion(site: "Site", asked: str, hint: str) -> None:
    registry = site.registry()
    with pytest.raises(PluginNotFound, match=f'unknown notifier "{asked}"') as caught:
        registry.info(Kind.NOTIFIER, asked)
    assert str(caught.value).endswith(hint)


def test_fork_is_configured_without_the_other(site: "Site") -> None:
    site.lay_out("early")
    registry = site.registry()
    registry.configure([], ())
    fork = registry.fork()
    site.lay_out("late")
    fork.configure([], ["early"])
    assert fork.names(Kind.NOTIFIER) - registry.names(Kind.NOTIFIER) == {"late"}
    assert registry.names(Kind.NOTIFIER) - fork.names(Kind.NOTIFIER) == {"early"}
    fork.get(Kind.NOTIFIER, "late")
    with pytest.raises(PluginNotFound):
        registry.get(Kind.NOTIFIER, "late")
    registry.adopt(fork)
    assert registry.get(Kind.NOTIFIER, "late").type == "late"
    with pytest.raises(PluginNotFound):
        registry.get(Kind.NOTIFIER, "early")


def test_changed_code_of_a_loaded_plugin_needs_a_restart(site: "Site") -> None:
    module = site.path / f"{site.lay_out('edited')}.py"
    registry = site.registry()
    registry.get(Kind.NOTIFIER, "edited")
    registry.get(Kind.STORE, "sqlite")
    assert registry.outdated() == []
    module.write_text(module.read_text() + "\n# edited\n")
    assert registry.outdated() == [
        'notifier "edited" of rae_notifier_edited 1.0 has changed; restart the daemon to use that'
    ]
