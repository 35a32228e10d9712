#!/usr/bin/python3
"""How far pilotd agrees with a conformance corpus: conformance.py PILOTCTL CORPUS_DIR

Prints a table from each of the tools below, which also run alone and then say more. Exit 1 when one
of them finds a difference that nobody explains (docs/CONFORMANCE.md).
"""

import os
import subprocess
import sys

# tool -> what it reads in the corpus
TOOLS = (("validate_corpus.py", "validation.jsonl"),
         ("routing_corpus.py", ""),
         ("analyze_corpus.py", "analysis.jsonl"),
         ("simulate_corpus.py", "simulation.jsonl"))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    pilotctl, corpus = sys.argv[1:]
    here, is_good = os.path.dirname(os.path.abspath(__file__)), True
    for tool, file in TOOLS:
        done = subprocess.run([sys.executable, os.path.join(here, tool), pilotctl,
                               os.path.join(corpus, file)], check=False)
        is_good = is_good and done.returncode == 0
        print(flush=True)
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
