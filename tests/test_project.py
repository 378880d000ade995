"""The project's own files agree: dependencies in three places, and imports that run downward only."""

import ast
import itertools
import re
import subprocess
import sys
import tomllib
from importlib import metadata

import pytest
import torch
import yaml
from packaging.specifiers import SpecifierSet

from trajnb import PACKAGE, ROOT, ParameterError, __version__, runs

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
README = (ROOT / "README.md").read_text()
CONDA_NAMES = {"pytorch": "torch", "playwright-python": "playwright"}
RANKS = [
    {"files", "progress", "config", "video"},
    {"world"},
    {"data", "models"},
    {"training"},
    {"evaluation"},
    {"figures"},
    {"audit", "robustness", "attention", "predict"},
    {"explain"},
    {"kernel", "provenance", "pages"},
    {"engine", "runs"},
    {"cli"},
]
IMPORT_NAMES = {"bs4": "beautifulsoup4", "IPython": "ipython", "PIL": "pillow", "yaml": "pyyaml"}
IMPORT_NAMES |= {"sklearn": "scikit-learn"}


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras):
    """{name: version range} of pyproject.toml, with these extras."""
    lines = sum((PROJECT["optional-dependencies"][extra] for extra in extras), PROJECT["dependencies"])
    return {canonical(re.match(r"[\w.-]+", line)[0]): re.sub(r"^[\w.-]+", "", line) for line in lines}


def locked():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pairs = [line.split("==") for line in lines if not line.startswith("#")]
    return {canonical(name): version for name, version in pairs}


def test_the_lock_holds_exact_public_versions_of_every_dependency_which_are_installed():
    assert all(re.fullmatch(r"[0-9][0-9a-z.]*", version) for version in locked().values())
    for name, versions in declared("lab", "dev").items():
        assert locked()[name] in SpecifierSet(versions), name
        assert metadata.version(name).split("+")[0] == locked()[name], name


def test_environment_yml_equals_pyproject_and_lock():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    assert (environment["name"], environment["channels"]) == ("trajnb", ["conda-forge"])
    packages = dict(line.split("=") for line in environment["dependencies"] if isinstance(line, str) and "=" in line)
    assert packages.pop("python") == "3.11"
    assert environment["dependencies"][-1] == {"pip": ["-e ."]}
    found = {canonical(CONDA_NAMES.get(name, name)): version for name, version in packages.items()}
    assert found == {name: locked()[name] for name in declared("lab", "dev")}


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert PROJECT["version"] == __version__ == citation["version"]


def imports(path):
    """(room or package) names that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            yield from ([f"trajnb.{a.name}" for a in node.names] if node.module == "trajnb" else [node.module])


def test_every_import_is_a_declared_dependency():
    names = {name.split(".")[0] for path in PACKAGE.rglob("*.py") for name in imports(path)}
    outside = {canonical(IMPORT_NAMES.get(name, name)) for name in names - {"trajnb"} - sys.stdlib_module_names}
    assert outside <= declared("lab").keys()


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_downward(path):
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    rank = {name: number for number, names in enumerate(RANKS) for name in names}
    if room == "__init__":
        return
    for name in imports(path):
        other = name.split(".")[1] if name.startswith("trajnb.") else room
        if other not in rank or other == room:
            continue
        beside = {room, other} <= RANKS[0]
        assert rank[other] < rank[room] or beside, f"{room} imports {other}"


def test_the_readme_is_short_and_names_what_exists():
    assert len(README.splitlines()) <= 120
    for name in re.findall(r"params/\w+\.yaml|notebooks/\w+\.ipynb|docs/\w+\.md|\b[A-Z]+\.md", README):
        assert (ROOT / name).exists(), name
    for target in re.findall(r"^make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


def test_the_readme_s_graph_is_that_of_the_snakefile():
    command = [sys.executable, "-m", "snakemake", "--profile", "profiles/local", "--rulegraph", "mermaid-js"]
    drawn = subprocess.run([*command, "--configfile", "params/smoke.yaml"], cwd=ROOT, capture_output=True, text=True)
    names = dict(re.findall(r"(id\d+)\[(\w+)\]", drawn.stdout))
    edges = {(names[a], names[b]) for a, b in re.findall(r"(id\d+) --> (id\d+)", drawn.stdout) if names[b] != "run"}
    lines = README.split("```mermaid")[1].split("```")[0].splitlines()
    chains = [re.findall(r"\w+", line) for line in lines if "-->" in line]
    shown = {edge for chain in chains for edge in itertools.pairwise(chain)}
    implied = set(shown)
    while more := {(a, d) for a, b in implied for c, d in implied if b == c} - implied:
        implied |= more
    assert shown <= edges <= implied


def test_the_script_for_a_rented_machine_can_be_read_and_says_how_it_is_called():
    script = ROOT / "profiles" / "ec2.sh"
    assert subprocess.run(["bash", "-n", script]).returncode == 0
    ended = subprocess.run([script], capture_output=True, text=True)
    assert ended.returncode == 2 and ended.stdout.startswith("usage: profiles/ec2.sh REMOTE PARAMS HOURS")


def test_a_run_for_a_gpu_is_whole_and_refused_without_one():
    cfg, training = runs.read([ROOT / "params/gpu.yaml"], {"threads": 1})
    assert len(training) == 4 * 10
    if not torch.cuda.is_available():
        with pytest.raises(ParameterError, match="^device: 'cuda' is not available, torch finds no such GPU: write au"):
            runs.check(cfg, training)
