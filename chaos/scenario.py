"""The language of chaos/scenarios: a hypothesis, steps, and what is allowed. chaos/README.md lists the verbs.

    Hypothesis: a replica that dies takes no request with it.
    Steps:
        repeat 20
            kill next-replica
            start that
            converge within 5s
        end
    Goals:
        failover p99 100ms
    Allowed:
        failed requests 3: why
    Unsanitized: why it says nothing of a replica that is built with sanitizers
"""

import os
import re

import goals

SECTIONS = ("hypothesis", "start", "steps", "goals", "allowed", "unsanitized")
STARTS = ("etcd-flags", "etcd-users", "clocks", "no-requests")


class Fault(Exception):
    """A scenario that cannot be read."""


class Scenario:
    def __init__(self, name):
        self.name, self.hypothesis, self.unsanitized = name, "", ""
        self.start, self.steps, self.goals, self.allowed = {}, [], [], {}


def seconds(text):
    match = re.fullmatch(r"([0-9.]+)(ms|s)", text)
    if not match:
        raise Fault(f"not a time: {text}")
    return float(match[1]) * (0.001 if match[2] == "ms" else 1)


def load(path):
    name = os.path.splitext(os.path.basename(path))[0]
    sections = {section: [] for section in SECTIONS}
    at = None
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            line = line.split("#")[0].strip()
            head, _, rest = line.partition(":")
            if head.lower() in SECTIONS:
                at, line = head.lower(), rest.strip()
            if line and not at:
                raise Fault(f"{path}:{number}: begins with none of {', '.join(SECTIONS)}")
            if line:
                sections[at].append((f"{name}:{number}", line))
    return build(name, sections)


def build(name, sections):
    scenario = Scenario(name)
    scenario.hypothesis = " ".join(line for _, line in sections["hypothesis"])
    scenario.unsanitized = " ".join(line for _, line in sections["unsanitized"])
    scenario.steps = block(sections["steps"], 0)[0]
    for _, line in sections["start"]:
        key, _, value = line.partition(" ")
        if key not in STARTS:
            raise Fault(f"{name}: nothing starts with {key}")
        scenario.start[key] = value
    for place, line in sections["goals"]:
        try:
            scenario.goals.append(goals.parse(line, seconds))
        except ValueError as problem:
            raise Fault(f"{place}: {problem}") from problem
    for _, line in sections["allowed"]:
        what, _, why = line.partition(":")
        words = what.rsplit(" ", 1)
        scenario.allowed[words[0]] = (int(words[1]), why.strip())
    return scenario


def block(lines, at):
    """Nested steps: (place, [words]) or (place, ["repeat" or "choose", …], [steps]), and where it ended."""
    steps = []
    while at < len(lines):
        place, line = lines[at]
        words = line.split()
        at += 1
        if words[0] == "end":
            return steps, at
        if words[0] in ("repeat", "choose"):
            inner, at = block(lines, at)
            steps.append((place, words, inner))
        else:
            steps.append((place, words, None))
    return steps, at
