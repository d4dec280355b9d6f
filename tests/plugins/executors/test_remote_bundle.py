"""The file that executors ship to other machines, where there is nothing but Python."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from rae_plugins.executors.remote.bundle import build_bundle

IMPORT_ALL = """
import importlib, pathlib, sys
place = pathlib.Path(sys.argv[1])
sys.path.insert(0, str(place))
for path in sorted(place.rglob("*.py")):
    importlib.import_module(".".join(path.relative_to(place).with_suffix("").parts).removesuffix(".__init__"))
"""


@pytest.mark.skipif(os.name != "posix", reason="hosts are POSIX systems")
def test_bundle_has_every_module_that_its_modules_import(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(build_bundle().content)) as archive:
        archive.extractall(tmp_path)
    command = [sys.executable, "-I", "-S", "-c", IMPORT_ALL, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
