"""What a scenario promises of time, measured while it runs and told at the end. It breaks nothing to miss
one: how fast this is depends on the machine.

    Goals:
        failover p99 100ms
"""

import collections
import re

FIGURES = {
    "failover": "from the fault that ended its stream to a proxy's first answer elsewhere",
    "news": "from its first answer elsewhere until a proxy has what was written by then",
    "noticed": "from the loss of quorum until no replica says that it is ready",
    "recovery": "from the first write that etcd takes after a fault until all have it",
}
QUANTILES = {"p50": 0.5, "p99": 0.99, "max": 1.0}

Goal = collections.namedtuple("Goal", "figure quantile limit_s")


def parse(line, seconds):
    figure, quantile, limit = line.split()
    if figure not in FIGURES or quantile not in QUANTILES:
        raise ValueError(f"no such figure: {line}")
    return Goal(figure, quantile, seconds(limit))


def quantile(values, name):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * QUANTILES[name]))] if ordered else None


def judged(goal, values):
    """[what, wanted, measured, count, verdict]: a goal of which nothing was measured is missed."""
    measured = quantile(values, goal.quantile)
    is_met = measured is not None and measured <= goal.limit_s
    return [f"{goal.figure} {goal.quantile}", f"{goal.limit_s * 1000:.0f} ms",
            "-" if measured is None else f"{measured * 1000:.0f} ms", len(values), "met" if is_met else "MISSED"]


def print_table(rows):
    """rows: [scenario, …as judged says]."""
    if not rows:
        return
    print("\n" + "".join(name.ljust(width) for name, width in
                         (("goals", 26), ("", 16), ("wanted", 10), ("measured", 10), ("of", 7))))
    for row in rows:
        print("".join(str(value).ljust(width) for value, width in zip(row, (26, 16, 10, 10, 7, 0))))
    for figure in dict.fromkeys(row[1].split()[0] for row in rows):
        print(f"{figure}: {FIGURES[figure]}")
