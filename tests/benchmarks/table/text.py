"""The table as text."""

from statistics import median

from tests.benchmarks.table.lines import FLOOR, OURS, Line
from tests.benchmarks.table.measurement import Measured


def format_line(line: Line, size: int, measured: Measured) -> str:
    """Return the rows of a line: each figure of each subject, with its ratios to ours and to the floor."""
    rows = [f"\n{line.name}: {line.meaning.format(size=size)} ({line.unit})"]
    names = list(dict.fromkeys(figure for figures in measured.figures.values() for figure in figures))
    width = max((len(name) for name in (*measured.figures, *measured.missing)), default=0)
    for figure in names:
        middles = {name: median(figures[figure]) for name, figures in measured.figures.items() if figure in figures}
        for name, middle in middles.items():
            values = measured.figures[name][figure]
            spread = f"({format_number(min(values))} to {format_number(max(values))})"
            row = f"  {figure:<38} {name:<{width}} {format_number(middle):>9}  {spread}"
            rows.append(row + _ratios(name, middle, middles) + (_goal(line, figure, middle) if name == OURS else ""))
    rows += [f"  {name}: {reason}" for name, reason in measured.missing.items()]
    return "\n".join(rows)


def _ratios(name: str, middle: float, middles: dict[str, float]) -> str:
    """Return what a figure is of ours, for a peer, and of the floor."""
    parts = []
    ours, floor = middles.get(OURS), middles.get(FLOOR)
    if ours and name not in (OURS, FLOOR):
        parts.append(f"{middle / ours:.2f} times rae-auto")
    if floor and name != FLOOR:
        parts.append(f"{middle / floor:.2f} times the floor")
    return f"  {', '.join(parts)}" if parts else ""


def _goal(line: Line, figure: str, middle: float) -> str:
    """Return the goal of a figure, and whether it is missed."""
    goal = line.goals.get(figure)
    return "" if goal is None else f"  goal {format_number(goal)}{'' if middle <= goal else ', missed'}"


def format_number(value: float) -> str:
    """Return a number with three digits that count, or more before the point."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"
