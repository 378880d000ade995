"""Do the tests notice? Small changes are made to the core, one at a time, and the tests that run the changed function
are asked. The tool is mutmut 3 ([tool.mutmut] in pyproject.toml says which files and tests): it imports torch and the
tests once, forks a process for each mutant, and knows from one run of all tests which of them call which function.

    make mutants                                     # WHOLE files, a seeded share of the others
    make mutants MUTANTS="1 *losses.py *augment.py"  # all mutants of these files, by the tests of the same names

Prints killed / tested / made for each file, then the survivors; `mutmut show NAME` prints what one changes. Never
changed: constants of modules, and functions with a decorator (predict, misfit, noise_windows). What a module's fixture
alone calls is asked of the first test that uses the fixture.
"""

import json
import os
import random
import shutil
import sys
from fnmatch import fnmatch
from pathlib import Path

from mutmut import __main__ as mutmut
from mutmut.configuration import config
from mutmut.stats import status_by_exit_code

WHOLE = ("losses", "augment", "metrics", "splits", "recipes", "camera")
SHARE, SEED = 0.2, 0  # of the mutants of every other file
ALIVE = ("survived", "no tests")


def generate(patterns):
    """{file: names of its mutants}, written into mutants/; with patterns, of these files, for tests of their names."""
    if patterns:
        some = [path for path in mutmut.walk_mutatable_files() if any(fnmatch(str(path), p) for p in patterns)]
        tests = [str(path) for one in some for path in Path("tests").rglob(f"test_{one.stem}.py")]
        config().only_mutate, config().pytest_add_cli_args_test_selection = [str(path) for path in some], tests
    shutil.rmtree("mutants", ignore_errors=True)  # else what an earlier run left out would stay out
    os.makedirs("mutants")
    mutmut.copy_src_dir()
    mutmut.create_mutants(1)
    return {path: list(exit_codes(path)) for path in sorted(mutmut.walk_mutatable_files())}


def exit_codes(path):
    """{name of a mutant: how its tests ended}."""
    return json.loads(Path("mutants", f"{path}.meta").read_text())["exit_code_by_key"]


def sample(path, names, share):
    """As many of a file's mutants as asked for, always the same ones."""
    share = share or (1.0 if path.stem in WHOLE else SHARE)
    return random.Random(f"{SEED} {path}").sample(names, round(share * len(names)))


def main(share, patterns):
    os.environ["OMP_NUM_THREADS"] = "1"
    made = generate(patterns)
    chosen = {path: sample(path, names, share) for path, names in made.items()}
    mutmut._run([name for names in chosen.values() for name in names], 1)
    survivors = []
    print(f"\n{'killed':>7}{'tested':>7}{'made':>7}")
    for path, names in chosen.items():
        found = {name: status_by_exit_code[exit_codes(path)[name]] for name in names}
        alive = [f"{status:>9}  {name}" for name, status in found.items() if status in ALIVE]
        slow = sum(status == "timeout" for status in found.values())
        killed, survivors = len(names) - len(alive), survivors + alive
        print(f"{killed:>7}{len(names):>7}{len(made[path]):>7}  {path}" + (f" ({slow} by the clock)" if slow else ""))
    print(*survivors, sep="\n")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else None, sys.argv[2:])
