"""The site of the documentation is built without a warning: every page in its navigation, every link and anchor."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rae_auto.explain.codes.catalog import all_codes

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.timeout(300)  # seconds of CPU, on a machine with other things to do
pytest.importorskip("sphinx", reason="Sphinx is missing, so the site isn't built: pip install 'rae-auto[docs]'")

PAGES_IN_A_BROWSER = (
    "index.html", "guides/overlap-and-catch-up.html", "reference/configuration.html", "explanation/comparison.html",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-c", "docs", "-W", "--keep-going", ".", directory]
    ran = subprocess.run([str(word) for word in command], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return directory


def test_the_site_is_built_without_a_warning(site: Path) -> None:
    assert (site / "docs" / "index.html").is_file()


def test_the_site_loads_nothing_from_other_hosts(site: Path) -> None:
    text = (site / "docs" / "index.html").read_text()
    assert re.findall(r'<(?:script|link|img|iframe)[^>]+?(?:src|href)="(?:https?:)?//[^"]+', text) == []


def test_a_code_has_the_anchor_on_the_site_that_it_has_in_the_repository(site: Path) -> None:
    missing = []
    for entry in all_codes():
        page, _, anchor = entry.page.partition("#")
        if f'id="{anchor}"' not in (site / page).with_suffix(".html").read_text():
            missing.append(entry.page)
    assert missing == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_site_can_be_read_on_a_phone_and_in_the_dark(site: Path, scheme: str) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install 'rae-auto[dev]'")
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    if (chromium := shutil.which("chromium") or shutil.which("google-chrome")) is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme).new_page()
        for name in PAGES_IN_A_BROWSER:
            page.goto((site / "docs" / name).as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
            found = axe.Axe().run(page).response["violations"]
            assert [fault["id"] for fault in found if fault["impact"] in ("serious", "critical")] == [], name
        browser.close()


def test_the_site_has_its_pages_as_text_for_machines(site: Path) -> None:
    pages = sorted((ROOT / "docs").rglob("*.md"))
    full = (site / "llms-full.txt").read_text()
    assert [page.name for page in pages if page.read_text() not in full] == []
    listed = (site / "llms.txt").read_text()
    for page in pages:
        path = page.relative_to(ROOT / "docs").as_posix()
        assert f"]({path})" in listed
        assert (site / "docs" / path).read_text() == page.read_text()
