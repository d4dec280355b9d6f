"""Pictures of a view beside their snapshots."""

import os
from pathlib import Path

UPDATE = "RAE_UPDATE_PICTURES"
"""The variable in the environment that has pictures written."""


def check_picture(picture: str, snapshot: Path) -> None:
    """Compare a picture with its snapshot, which is written only where that is asked for."""
    if os.environ.get(UPDATE) == "1":
        snapshot.write_text(picture)
    advice = f"run this test with {UPDATE}=1, and look at the picture"
    assert snapshot.exists(), f"{snapshot} is missing; {advice}"
    assert picture == snapshot.read_text(), f"the view is no longer as in {snapshot}; {advice}"
