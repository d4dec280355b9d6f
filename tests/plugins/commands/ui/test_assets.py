"""Files that a browser loads: a small script of our own, and nothing from elsewhere or inside a page."""

import re
from importlib.resources import files

import pytest

import rae_plugins.commands.ui as ui
from rae_plugins.commands.ui.assets import NAMES

PACKAGE = files(ui)
TEMPLATES = sorted(path.name for path in (PACKAGE / "templates").iterdir())


def test_script_has_at_most_three_hundred_lines_in_all() -> None:
    assert {path.name for path in (PACKAGE / "static").iterdir()} == {*NAMES}
    lines = (PACKAGE / "static" / "app.js").read_text().splitlines()
    assert len(lines) <= 300, "blank lines and comments count, too"
    assert max(map(len, lines)) <= 132
    assert not any(word in line for line in lines for word in ("innerHTML", "insertAdjacent", "eval(", "import("))


@pytest.mark.parametrize("name", TEMPLATES)
def test_template_has_no_script_style_or_address_of_another_host(name: str) -> None:
    text = (PACKAGE / "templates" / name).read_text()
    assert re.findall(r"<script(?! src=\"{{ app_js }}\" defer></script>)", text) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:|https?://", text) == []
