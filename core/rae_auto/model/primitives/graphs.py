"""Directed graphs of names: reachable nodes, cycles, and an order in which each node follows its successors."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from graphlib import TopologicalSorter
from typing import TypeVar

N = TypeVar("N")


def find_cycles(graph: Mapping[N, Iterable[N]]) -> Iterator[list[N]]:
    """Yield the cycles of a graph, each once, as a path that ends where it begins, such as [a, b, a].

    Depth-first search with an explicit stack, because a path may be longer than Python's own. Successors that are no
    keys of `graph` are ignored. Of cycles that share nodes at least one is found.
    """
    finished: set[N] = set()
    for start in graph:
        if start in finished:
            continue
        # The keys are the nodes on the path from `start`, in order.
        path = {start: iter(graph[start])}
        while path:
            node = next(reversed(path))
            successor = next(path[node], None)
            if successor is None:
                finished.add(node)
                del path[node]
            elif successor in path:
                nodes = list(path)
                yield [*nodes[nodes.index(successor) :], successor]
            elif successor in graph and successor not in finished:
                path[successor] = iter(graph[successor])


def find_cycle(graph: Mapping[N, Iterable[N]]) -> list[N] | None:
    """Return a cycle of a graph as `find_cycles` yields it, or None if there is none."""
    return next(find_cycles(graph), None)


def reachable(nodes: Iterable[N], successors_of: Callable[[N], Iterable[N]]) -> dict[N, tuple[N, ...]]:
    """Return these nodes and all that can be reached from them, each with its successors."""
    graph: dict[N, tuple[N, ...]] = {}
    pending = list(nodes)
    while pending:
        node = pending.pop()
        if node not in graph:
            graph[node] = tuple(successors_of(node))
            pending.extend(graph[node])
    return graph


def sort_by_successors(nodes: Iterable[N], successors_of: Callable[[N], Iterable[N]]) -> list[N]:
    """Return the nodes in an order in which each follows those of them that can be reached from it.

    Errors: graphlib.CycleError, where they form a cycle.
    """
    given = dict.fromkeys(nodes)
    graph = reachable(given, successors_of)
    if not any(graph.values()):
        return list(given)
    return [node for node in TopologicalSorter(graph).static_order() if node in given]
