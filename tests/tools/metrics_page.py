#!/usr/bin/env python3
"""docs/METRICS.md, of what a replica tells: metrics_page.py < /metrics > docs/METRICS.md

A family's row is made of its HELP and TYPE lines and the names of its labels, so the page says what
the tables in pilotd/daemon/stats.c say."""

import re
import sys

HEAD = """# Metrics

What `GET /metrics` on the admin port tells, in Prometheus' text form; made by `make docs`. Names that begin with
`pilot_` are Istio's, with Istio's meaning, but for labels that only Istio has. No label has a value for each proxy. Histograms are in seconds or bytes.
`deploy/monitoring/pilotd.rules.yml` has alerts, each with what to do; `deploy/monitoring/grafana.json` is a dashboard.

Prometheus finds the sidecars by asking each replica for those it serves, where they serve their own statistics
(`pilotctl bootstrap --stats 0.0.0.0:15090`):

    scrape_configs:
      - job_name: sidecars
        http_sd_configs:
          - url: http://pilotd-1:15014/v1/prometheus/sd?port=15090
          - url: http://pilotd-2:15014/v1/prometheus/sd?port=15090

| name | type | labels | what it is |
|---|---|---|---|
"""


def labels_of(text, name):
    found = {}
    for line in re.findall(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, re.M):
        for label, value in re.findall(r'(\w+)="([^"]*)"', line):
            found.setdefault(label, []).append(value)
    found.pop("le", None)
    told = {label: list(dict.fromkeys(values)) for label, values in found.items()}
    changing = {"version", "hash"}
    return ", ".join(f"`{label}`" if label in changing else f"`{label}`: {' '.join(values)}"
                     for label, values in sorted(told.items()))


def page(text):
    rows = []
    for name, meaning in re.findall(r"^# HELP (\S+) (.*)$", text, re.M):
        kind, = re.findall(rf"^# TYPE {name} (\S+)$", text, re.M)
        rows.append(f"| `{name}` | {kind} | {labels_of(text, name)} | {meaning} |\n")
    return HEAD + "".join(rows)


if __name__ == "__main__":
    sys.stdout.write(page(sys.stdin.read()))
