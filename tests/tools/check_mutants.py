#!/usr/bin/env python3
"""Each mutant of chaos/ and tests/sim is still one replacement in the code as it is: its text is there once."""

import importlib.util
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def mutants_of(folder):
    path = os.path.join(ROOT, folder)
    sys.path.insert(0, path)
    spec = importlib.util.spec_from_file_location(folder.replace("/", "_"), os.path.join(path, "mutants.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.MUTANTS


def fault_of(mutant):
    with open(os.path.join(ROOT, mutant.file), encoding="utf-8") as source:
        count = source.read().count(mutant.old)
    return None if count == 1 else f"{mutant.name}: {mutant.file} has its text {count} times"


def main():
    mutants = [mutant for folder in ("chaos", "tests/sim") for mutant in mutants_of(folder)]
    faults = [fault for fault in map(fault_of, mutants) if fault]
    print("\n".join(f"mutants: {fault}" for fault in faults) or f"mutants: {len(mutants)} fit the code")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
