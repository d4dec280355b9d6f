"""Planted mistakes of plugins: each is named, by rule, and good plugins have none."""

import importlib
import sys
from pathlib import Path

import pytest
from tests.support.planted_plugins import GOOD, HOOKS, MISTAKES, good_source

from rae_auto.api.plugin import Kind
from rae_auto.config.options import build
from rae_auto.registry import Registry
from rae_auto.registry.index import PluginInfo
from rae_auto.registry.inspection import RULES, behaviour_rules, inspect_plugin, inspector

MIN_MISTAKES = 60


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(behaviour_rules, "PROBE_SECONDS", 1.0)
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("planted_"):
            del sys.modules[name]
    importlib.invalidate_caches()


def inspect_source(folder, source, kind, *, name="good", entry_point=""):
    module = f"planted_{abs(hash(source + name))}"
    (folder / f"{module}.py").write_text(source)
    importlib.invalidate_caches()
    info = PluginInfo(Kind(HOOKS[kind]), name, f"{module}{entry_point}", "rae-planted", "1.0")
    registry = Registry()
    own = frozenset(info.name for info in registry.infos() if info.kind == HOOKS[kind])
    return inspect_plugin(
        info, make=lambda cls, options: build(cls, options, timezone="UTC", plugins=registry), own_names=own
    )


@pytest.mark.parametrize("kind", GOOD)
def test_good_plugin_has_no_findings(folder, kind, monkeypatch):
    monkeypatch.setattr(inspector, "MAX_IMPORT_SECONDS", 5.0)  # of a machine that is busy
    inspection = inspect_source(folder, good_source(kind), kind)
    assert [finding.describe() for finding in inspection.findings] == []
    assert inspection.instance is not None


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.id)
def test_mistake_is_named_by_its_rule(folder, mistake):
    source = good_source(mistake.kind)
    assert mistake.before in source, "the mistake changes nothing"
    source = source.replace(mistake.before, mistake.after, 1) if mistake.before else source
    inspection = inspect_source(folder, source, mistake.kind, name=mistake.name, entry_point=mistake.entry_point)
    described = [finding.describe() for finding in inspection.findings]
    named = [finding for finding in inspection.findings if finding.rule == mistake.rule]
    assert named, f"{mistake.rule} is not among {described}"
    assert mistake.words in named[0].text
    assert ";" in named[0].text, "the finding has no remedy"


def test_mistakes_are_many_and_of_all_kinds():
    assert len(MISTAKES) >= MIN_MISTAKES
    assert {HOOKS[mistake.kind] for mistake in MISTAKES} == {kind.value for kind in Kind}
    assert {mistake.rule for mistake in MISTAKES} == {*RULES} - {"group"}


def test_places_are_file_and_line(folder):
    source = good_source("schedule").replace("return instant + timedelta", "return instant - timedelta")
    (finding,) = inspect_source(folder, source, "schedule").findings
    file, _, line = finding.place.rpartition(":")
    assert "def next_after" in Path(file).read_text().splitlines()[int(line) - 1]
