"""The keys of the full-screen view, which are those of the web page, too."""

from textual.binding import Binding

KEY_LINE = "? keys  j k  o output  w why  n next  h history  t day  m month  s simulate  r run  x cancel  p pause"

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
    Binding("u", "pane('run')", show=False),
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
    Binding("q,ctrl+c", "quit", show=False),
)
