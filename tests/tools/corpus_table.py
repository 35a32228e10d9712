"""The table that the corpus tools print: a row for each group, a column for each outcome."""

# refused: needs a kind that pilotd does not know yet. explained: differs on purpose.
OUTCOMES = ("equal", "explained", "differs", "refused")


def print_table(title, counts):
    """counts: name of a group -> Counter of outcomes."""
    width = max([len(title)] + [len(name) for name in counts]) + 2
    print(f"{title:{width}}" + "".join(f"{name:>11}" for name in OUTCOMES + ("total",)))
    for name in sorted(counts):
        row = [counts[name][outcome] for outcome in OUTCOMES]
        print(f"{name:{width}}" + "".join(f"{count:>11}" for count in row + [sum(row)]))
