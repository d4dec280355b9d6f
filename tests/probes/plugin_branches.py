"""Counts the branches that the tests of each plugin take, and records them for the page of grades.

    python -m tests.probes.plugin_branches [NAME …]

Without names, those are counted that can be played again. A record holds as long as the files of the plugin stay the
same: their digest is part of it.
"""

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from rae_auto.api import ComputedGuard, PatternTrigger, ScheduleTrigger
from rae_auto.offline.authoring.checking import inspect_within_limit
from rae_auto.offline.authoring.evidence import find_project, find_tests, sources_of
from rae_auto.offline.authoring.suite_runs import TestRun, run_tests
from rae_auto.registry import Registry
from rae_auto.registry.index import OWN_DISTRIBUTION, PluginInfo
from rae_auto.registry.inspection.branch_count import BranchCount

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "tests" / "snapshots" / "branches.json"


def read_record() -> Mapping[str, TestRun]:
    """Return what was recorded of the plugins whose files have not changed since, by kind and name."""
    runs = {}
    for name, entry in json.loads(RECORD.read_text()).items():
        files = [ROOT / file for file in entry["files"]]
        if all(file.exists() for file in files) and digest(files) == entry["digest"]:
            count = BranchCount(entry["total"], entry["missing"])
            runs[name] = TestRun(True, {files[0]: count})
    return runs


def digest(files: Sequence[Path]) -> str:
    """Return the digest of files."""
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def count(info: PluginInfo) -> dict[str, object] | None:
    """Return the entry of a plugin; None if its tests fail, or if it can't be played again."""
    cls = inspect_within_limit(info).plugin_class
    home = info.module.partition(":")[0]
    project = find_project(home)
    if cls is None or project is None or not issubclass(cls, ScheduleTrigger | PatternTrigger | ComputedGuard):
        return None
    files = sources_of(home)
    tests = [str(path.relative_to(project)) for path in find_tests(project, home, cls)]
    found = run_tests(project, ["-p", "no:randomly", "-p", "no:cacheprovider", *tests], files[0].parent)
    branches = found.count_branches(files)
    if not found.is_green or branches is None:
        print(f"{info.kind} {info.name}: its tests fail, or take no branch", file=sys.stderr)
        return None
    missing = [str(Path(place).relative_to(ROOT)) for place in branches.missing]
    names = [str(file.relative_to(ROOT)) for file in files]
    return {"digest": digest(files), "files": names, "total": branches.total, "missing": missing}


def main(names: Sequence[str]) -> None:
    """Count, and write the record."""
    record = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    for info in Registry().infos():
        if info.distribution == OWN_DISTRIBUTION and (not names or info.name in names):
            entry = count(info)
            if entry is not None:
                record[f"{info.kind} {info.name}"] = entry
                print(f"{info.kind} {info.name}: {entry['total']} branches, not taken: {entry['missing']}")
                RECORD.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
