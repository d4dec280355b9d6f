"""Health: what `rae-auto doctor` finds, each with its remedy."""

import json
import os
import re
import subprocess
from html import unescape
from pathlib import Path

from tests.plugins.commands.ui.conftest import start_page, stop
from tests.support.daemons import Daemons

JOBS = """
[jobs.absent]
command = ["<b>no-such-program"]
"""


def test_health_has_findings_of_doctor_with_remedies(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, JOBS)
    page = start_page(daemons)
    try:
        assert 'href="/health?doctor=1"' in page.ask("/health").text
        text = page.ask("/health?doctor=1").text
    finally:
        stop(page.process)
    rows = text.split('id="findings"')[1].split("</section>")[0].split("<li data-row>")[1:]
    (absent,) = [row for row in rows if "no-such-program" in row]
    assert "<b>no" not in absent, "what a configuration says is escaped"
    assert "<b>warning:</b>" in absent
    assert '<span class="block hint">install it, or give its full path</span>' in absent
    command = [*daemons.command, "doctor", "--json", "--config", str(daemons.config)]
    environment = {**os.environ, "RAE_STATE_DIR": str(daemons.state)}
    found = json.loads(subprocess.run(command, env=environment, capture_output=True, check=False).stdout)["findings"]
    hints = [unescape(hint) for hint in re.findall(r'class="block hint">([^<]+)<', "".join(rows))]
    assert hints == [one["hint"] for one in found if one["hint"]]
