"""The page of reliability: generated from the markers of the tests."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "design" / "reliability.md"

_spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
assert _spec is not None
assert _spec.loader is not None
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)

LINE = "| R1 | one thing holds | {} |\n"


def test_reliability_page_is_current() -> None:
    text = PAGE.read_text()
    assert generate.reliability_page(text, generate.tests_by_requirement()) == text, "run: python docs/generate.py"


def test_reliability_page_has_a_line_for_each_requirement() -> None:
    ids = re.findall(r"^\| ([RS]\d+) \|", PAGE.read_text(), re.MULTILINE)
    assert ids == [*(f"R{number}" for number in range(1, 40)), *(f"S{number}" for number in range(1, 27))]


def test_reliability_page_lists_the_tests_of_each_requirement() -> None:
    assert generate.reliability_page(LINE.format(""), {"R1": ["test_a", "test_a"]}) == LINE.format("`test_a`")
    reason = LINE.format("not tested: not built")
    assert generate.reliability_page(reason, {}) == reason


@pytest.mark.parametrize(
    ("column", "tests", "error"),
    [
        ("", {"R1": ["test_a"], "R99": ["test_b"]}, "lacks: R99"),
        ("`test_gone`", {}, "R1: needs tests, or a reason"),
        ("not tested: not built", {"R1": ["test_a"]}, "and not both"),
    ],
)
def test_reliability_page_refuses(column: str, tests: dict[str, list[str]], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        generate.reliability_page(LINE.format(column), tests)


def test_markers_of_functions_classes_and_modules_count(tmp_path: Path) -> None:
    mark = "pytest.mark.requirement"
    tmp_path.joinpath("test_some.py").write_text(
        f"""
pytestmark = [pytest.mark.slow, {mark}("R1")]

@{mark}("R2", "R3")
def test_a(): ...

@{mark}("R4")
class TestB:
    async def test_b(self): ...

@{mark}("R5")
class TestC(Suite):
    @pytest.fixture
    def plugin(self): ...
"""
    )
    assert generate.tests_by_requirement(tmp_path) == {
        "R1": ["test_a", "test_b", "TestC"],
        "R2": ["test_a"],
        "R3": ["test_a"],
        "R4": ["test_b"],
        "R5": ["TestC"],
    }
