"""The functions that the view reads with. They take half a second to import, so they come after the first frame."""

from rae_auto.screens import load_job_list, load_overview, open_records
from rae_plugins.commands.top.live import follow_daemon
from rae_plugins.commands.top.panes import find_place, load_pane

__all__ = ["find_place", "follow_daemon", "load_job_list", "load_overview", "load_pane", "open_records"]
