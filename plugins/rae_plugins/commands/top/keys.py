"""The keys of the full-screen view: those that it shares with the web page, and its own."""

from textual.binding import Binding

from rae_plugins.commands.top.frame import MAX_ATTENTION_LINES
from rae_plugins.commands.ui.keys import KEYS

_ON_THE_LINE = {one.keys: one.does.partition(",")[0] for one in KEYS if one.keys.islower() or one.keys == "?"}

KEY_LINE = "  ".join(f"{key} {_ON_THE_LINE[key]}" for key in "?rxpwonhetms")
"""The keys that the last line names: those that are about the selected job come first."""

BINDINGS = (
    Binding("j,down", "move(1)", show=False),
    Binding("k,up", "move(-1)", show=False),
    Binding("pagedown,ctrl+d", "move(10)", show=False),
    Binding("pageup,ctrl+u", "move(-10)", show=False),
    Binding("g,home", "move(-1000000)", show=False),
    Binding("G,end", "move(1000000)", show=False),
    Binding("enter", "enlarge", show=False),
    Binding("escape", "back", show=False),
    Binding("slash", "type('/')", show=False, priority=True),
    Binding("colon", "type(':')", show=False, priority=True),
    Binding("question_mark", "pane('help')", show=False),
    Binding("o", "pane('output')", show=False),
    Binding("w", "pane('why')", show=False),
    Binding("n", "pane('next')", show=False),
    Binding("h", "pane('history')", show=False),
    Binding("u", "pane('life')", show=False),
    Binding("t", "pane('timeline')", show=False),
    Binding("m", "pane('month')", show=False),
    Binding("H", "pane('health')", show=False),
    Binding("s", "simulate", show=False),
    Binding("space", "toggle_player", show=False),
    Binding("full_stop", "step_player", show=False),
    Binding("r", "act('run')", show=False),
    Binding("x", "act('cancel')", show=False),
    Binding("p", "act('pause')", show=False),
    Binding("e", "edit", show=False),
    *(Binding(str(number), f"attend({number})", show=False) for number in range(1, MAX_ATTENTION_LINES + 1)),
    Binding("q,ctrl+c", "quit", show=False),
)
