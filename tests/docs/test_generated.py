"""Generated parts of the pages are current."""

import subprocess
import sys
from pathlib import Path

import pytest

from rae_auto.api.plugin import Kind
from rae_auto.registry import Registry

DOCS = Path(__file__).resolve().parents[2] / "docs"


def test_help_texts_and_tables_of_options_are_up_to_date() -> None:
    check_pattern = subprocess.run([sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True)
    assert check_pattern.returncode == 0, f"run python docs/generate.py\n{check_pattern.stdout}{check_pattern.stderr}"


@pytest.mark.parametrize("kind", Kind)
def test_every_built_in_plugin_has_a_page_of_the_same_shape(kind: Kind) -> None:
    for name in Registry().names(kind):
        page = (DOCS / "reference" / "plugins" / f"{kind}s" / f"{name}.md").read_text()
        headings = [line for line in page.splitlines() if line.startswith("#")]
        assert headings[:4] == [f"# {name}", "## Options", "## Example", "## Rules"]
        assert f"<!-- options of {kind} {name} -->" in page
