"""Every product proves where it came from: manifests, hashes of every byte, a run repeated, a crate others can read."""

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import rocrate
import s3

from trajnb import ROOT, cli, files
from trajnb.config import Config, ParameterError
from trajnb.runs import crate, provenance, record, remote, rerun, runner, stages

WRITES = """
import os
from pathlib import Path
import numpy as np, pandas as pd, safetensors.numpy
here = Path(folder)
(here / "product").write_text(str(epochs))
table = pd.DataFrame({"seconds": [float(time.time())], "top1": [0.5]})
table.to_csv(here / "table.csv", index=False)
table[["top1"]].to_parquet(here / "table.parquet")
(here / "metrics.json").write_text('{"train_seconds": %f, "top1": [0.5, 0.25]}' % time.time())
safetensors.numpy.save_file({"weight": np.arange(4.0)}, here / "final.safetensors")
for name in ("figures/a.png", "checkpoints/step.pt"):
    (here / name).parent.mkdir(exist_ok=True)
    (here / name).write_bytes(name.encode())
(here.parent / "leaderboard.csv").write_text("model,test_top1\\ni3d,0.5\\n")
"""
WRITES = f"import time\n{WRITES}"
KINDS = {".csv", ".json", ".parquet", ".safetensors", ".pt", ".png", ".ipynb", ".html", ".md", ".txt", ".yaml", ""}


@pytest.fixture(scope="module")
def made(tmp_path_factory, tiny_maker):
    """A run of two stages that has ended, with its pages; the second needs the first."""
    where = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAJNB_OUTPUTS", str(where / "outputs"))
        patch.delenv("TRAJNB_STAGE", raising=False)
        cfg = Config(run_name="tiny")
        first = tiny_maker(cfg, where, "data", WRITES)
        second = tiny_maker(cfg, where, "train-i3d", "open(folder + '/product', 'w').close()", needs=["data"])
        runner.run(cfg, [replace(first, parameters=first.parameters | {"seed": 3}), second])
        cli.publish(cfg.run_dir)
        return cfg.run_dir


@pytest.fixture
def done(made, cfg):
    """The same run, for one test to do with as it likes."""
    shutil.copytree(made, cfg.run_dir)
    return cfg.run_dir


def manifest(run_dir, stage):
    return files.read_json(run_dir / stage / provenance.NAME)


def test_verify_finds_one_changed_byte_in_every_file_of_every_kind(done):
    checked, wrong = provenance.verify(done)
    assert wrong == []
    paths = [*provenance.every(done)]
    assert checked == len(paths) - 1
    assert {path.suffix for path in paths} == KINDS
    for path in paths:
        whole, name = path.read_bytes(), path.relative_to(done).as_posix()
        if not whole:
            continue
        for at in {0, len(whole) // 2, len(whole) - 1}:
            path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            assert provenance.verify(done)[1], f"{name}, byte {at}"
        path.write_bytes(whole)
    (done / "extra.csv").write_text("x")
    (done / "data" / "product").unlink()
    assert provenance.verify(done)[1] == ["data/product is missing", "extra.csv is listed nowhere"]


def test_sha256sum_alone_verifies_a_run(done):
    if shutil.which("sha256sum") is None:
        pytest.skip("no sha256sum here")
    check = [["sha256sum", "--check", "--quiet", provenance.SUMS], done]
    assert subprocess.run(check[0], cwd=done, capture_output=True).returncode == 0
    (done / "data" / "table.csv").write_text("seconds,top1\n1,0.6\n")
    assert b"data/table.csv: FAILED" in subprocess.run(check[0], cwd=done, capture_output=True).stdout


def test_pages_made_again_never_bless_what_was_changed(done):
    (done / "data" / "table.csv").write_text("seconds,top1\n1,0.9\n")
    cli.publish(done)
    assert provenance.verify(done)[1] == ["data/table.csv has changed"]
    path = done / "data" / provenance.NAME
    path.write_text(path.read_text().replace("data_seed", "data_sead"))
    cli.publish(done)
    assert f"data/{provenance.NAME} is not the one that data left" in provenance.verify(done)[1]


def test_the_command_says_what_is_wrong(done, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["trajnb", "verify", "tiny"])
    for damage, code, words in ((b"5", 0, "nothing wrong"), (b"6", 1, "data/product has changed\ntiny: ")):
        (done / "data" / "product").write_bytes(damage)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == code
        assert words in capsys.readouterr().out


def test_a_manifest_says_from_what_with_what_and_what_came(done):
    first, second = manifest(done, "data"), manifest(done, "train-i3d")
    assert first["parameters"] == Config(run_name="tiny", epochs=5, seed=3).model_dump(exclude={"sync"})
    assert first["seeds"] == {"seed": 3, "data_seed": 0}
    assert (first["status"], first["error"]) == ("done", "")
    assert first["started"] <= first["ended"] and first["seconds"] > 0
    assert first["command"][1:3] == ["-m", "papermill"] and first["command"][0].startswith("python")
    assert first["code"]["package"] == stages.package_hash()
    environment = first["environment"]
    assert environment["lock"] == files.sha256(ROOT / "requirements.lock")
    assert environment["torch"].startswith("2.") and environment["python"].startswith("3.") and environment["processor"]
    assert {"gpus", "cores", "threads"} <= set(environment)
    assert second["inputs"] == {"data/product": files.sha256(done / "data" / "product")}
    own = {p.relative_to(done).as_posix() for p in provenance.every(done / "data")} - {f"data/{provenance.NAME}"}
    assert set(first["outputs"]) == (own - {"data/notebook.html"}) | {"leaderboard.csv"}
    assert all(out["sha256"] == files.sha256(done / path) for path, out in first["outputs"].items())
    assert set(second["outputs"]) == {f"train-i3d/{n}" for n in ("product", "notebook.ipynb", "log.txt", "params.yaml")}


def test_the_commit_and_the_difference_to_it(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)

    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    assert provenance.code() == {"commit": None, "changes": None}, "no repository"
    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "first")
    clean = provenance.code()
    assert re.fullmatch("[0-9a-f]{40}", clean["commit"]) and clean["changes"] is None
    (tmp_path / "a").write_text("2")
    changed = provenance.code()["changes"]
    (tmp_path / "new").write_text("1")
    new = provenance.code()["changes"]
    (tmp_path / "new").write_text("22")
    assert len({changed, new, provenance.code()["changes"], None}) == 4


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with a changed, a new and an ignored file, as the lab's; its folder."""
    root = tmp_path / "lab é"
    root.mkdir()
    monkeypatch.setattr(provenance, "ROOT", root)
    (root / ".gitignore").write_text("ignored\n")
    (root / "a b é").write_text("1")
    git = ["git", "-C", root, "-c", "user.name=a", "-c", "user.email=a@b"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *words], check=True)
    for name in ("a b é", "new", "ignored"):
        (root / name).write_text("2")
    return root


def test_the_manifest_is_the_same_whatever_the_person_s_git_settings(repository, tmp_path, monkeypatch):
    before, home = provenance.code(), tmp_path / "home"
    assert re.fullmatch("[0-9a-f]{40}", before["commit"]) and before["changes"]
    subprocess.run(["git", "init", "-q", tmp_path / "other"], check=True)
    (home / "git").mkdir(parents=True)
    (home / "ignore").write_text("new\n")
    shutil.copy(home / "ignore", home / "git" / "ignore")
    (home / ".gitconfig").write_text(
        "[diff]\n external = true\n noprefix = true\n ignoreSubmodules = all\n relative = true\n"
        f"[core]\n quotepath = true\n fsmonitor = /bin/false\n excludesFile = {home}/ignore\n pager = false\n"
        "[color]\n ui = always\n[status]\n showUntrackedFiles = no\n"
    )
    own = {"HOME": home, "XDG_CONFIG_HOME": home, "GIT_DIR": tmp_path / "other/.git", "GIT_WORK_TREE": tmp_path}
    own |= {"GIT_INDEX_FILE": "x", "GIT_EXTERNAL_DIFF": "true", "GIT_CEILING_DIRECTORIES": tmp_path}
    for name, value in own.items():
        monkeypatch.setenv(name, str(value))
    assert provenance.code() == before
    subprocess.run(["git", "config", "--file", repository / ".git/config", "diff.external", "true"], check=True)
    assert provenance.code() == before
    monkeypatch.setenv("PATH", str(home))
    assert provenance.code() == {"commit": None, "changes": None}, "no git at all"


def test_a_repository_around_the_lab_is_not_the_lab_s(repository, monkeypatch):
    inner = repository / "copy"
    inner.mkdir()
    monkeypatch.setattr(provenance, "ROOT", inner)
    assert provenance.code() == {"commit": None, "changes": None}


@pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_owner_has_its_commit(repository):
    before = provenance.code()
    for path in [repository, *repository.rglob("*")]:
        os.chown(path, 12345, 12345)
    assert provenance.code() == before


def test_a_large_file_in_the_folder_costs_no_memory(repository):
    """Two gigabytes without a byte on the disk; reading them would take the memory that is forbidden here."""
    with open(repository / "large", "wb") as file:
        file.truncate(2 * 2**30)
    script = (
        "import resource; from pathlib import Path; from trajnb.runs import provenance\n"
        f"provenance.ROOT = Path({str(repository)!r})\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; provenance.code()\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    taken = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(taken) < 50_000, "kilobytes"


def test_a_stage_that_failed_has_a_manifest_too(cfg, make):
    with pytest.raises(runner.StageFailed):
        runner.run(cfg, [make("a", "1 / 0")])
    found = manifest(cfg.run_dir, "a")
    assert found["status"] == "failed" and "ZeroDivisionError" in found["error"]
    assert "a/notebook.failed.ipynb" in found["outputs"]
    with pytest.raises(ParameterError, match="tiny has no whole result"):
        rerun.plan(cfg.run_dir, "tiny-rerun")
    with pytest.raises(ParameterError, match="has no readable SHA256SUMS"):
        provenance.verify(cfg.run_dir)


RESULTS = """
from pathlib import Path
import pandas as pd
table = pd.DataFrame({"motion": ["parabolic"], "where": [WHERE]})
table.to_csv(Path(folder, "a.csv"), index=False)
table.to_json(Path(folder, "a.json"))
table.to_parquet(Path(folder, "a.parquet"))
Path(folder, "product").write_text(f"parabolic {WHERE}")
print("parabolic", WHERE)
"""


def test_nothing_rewrites_a_result(cfg, make, monkeypatch):
    """Also where a variable that is called like a secret holds a word of the results, and where results hold paths."""
    for name in ("SORT_KEY", "VARIABLE_KEY", "LAB_TOKEN"):
        monkeypatch.setenv(name, "parabolic")
    monkeypatch.setattr("getpass.getuser", lambda: "linear")
    where = f"{ROOT}/x {Path.home()}/y linear"
    runner.run(cfg, [make("data", f"WHERE = {where!r}" + RESULTS)])
    written = {path: path.read_bytes() for path in provenance.every(cfg.run_dir / "data")}
    cli.publish(cfg.run_dir)
    assert written.items() <= {path: path.read_bytes() for path in provenance.every(cfg.run_dir / "data")}.items()
    folder = cfg.run_dir / "data"
    assert (folder / "product").read_text() == f"parabolic {where}"
    assert (folder / "a.csv").read_text() == f"motion,where\nparabolic,{where}\n"
    assert pd.read_json(folder / "a.json")["where"].tolist() == [where]
    assert pd.read_parquet(folder / "a.parquet")["motion"].tolist() == ["parabolic"]
    assert f"parabolic {where}\n" in (folder / "log.txt").read_text()
    assert f"parabolic {where}" in (folder / "notebook.ipynb").read_text()
    assert manifest(cfg.run_dir, "data")["parameters"]["motions"] == cfg.motions
    assert "parabolic ./x ~/y linear" in (folder / "notebook.html").read_text(), "a page drops folders, and no word"


def test_what_is_pushed_is_what_the_manifest_says(done, tmp_path):
    from trajnb.runs import sync

    mirror = sync.Mirror((tmp_path / "remote").as_uri(), done)
    mirror.connect()
    mirror.push()
    sums = dict(reversed(line.split("  ")) for line in (done / provenance.SUMS).read_text().splitlines())
    assert {name: digest for name, digest in mirror.there.items() if name != provenance.SUMS} == sums
    assert remote.sha256((done / provenance.SUMS).read_bytes()) == mirror.there[provenance.SUMS]


@pytest.fixture
def repeated(cfg, make, tmp_path, monkeypatch):
    """Runs a stage of a source, then repeats it: repeated("print(1)") are the lines about differences."""
    monkeypatch.setattr(stages, "NOTEBOOKS", tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")

    def again(source):
        stage = make("a", "from trajnb.config import Config; folder = Config(run_name=run_name).run_dir / 'a'", source)
        stage = replace(stage, parameters={"epochs": 5, "run_name": "tiny"}, products=("a/product",))
        runner.run(cfg, [stage])
        return rerun.run(cfg.run_dir)

    return again


def test_a_run_repeated_from_its_manifests_reports_no_difference(repeated, cfg, monkeypatch):
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    folder, lines, compared, left = repeated(WRITES)
    assert (folder.name, lines) == ("tiny-rerun", [])
    assert set(compared) == {
        "leaderboard.csv",
        *(f"a/{n}" for n in ("table.csv", "table.parquet", "metrics.json", "final.safetensors")),
    }
    assert {"a/notebook.ipynb", "a/log.txt", "a/figures/a.png"} <= set(left)
    assert manifest(folder, "a")["given"] == {"epochs": 5, "run_name": "tiny-rerun"}
    assert record.read(cfg.run_dir)["stages"]["a"]["status"] == "done", "the old one is untouched"


def test_differences_are_named(done, tmp_path):
    other = tmp_path / "outputs" / "other"
    shutil.copytree(done, other)
    assert rerun.compare(done, other)[0] == []
    (other / "data" / "table.csv").write_text("seconds,top1\n1.0,0.75\n")
    (other / "data" / "metrics.json").write_text('{"train_seconds": 3, "top1": [0.5, 0.5]}')
    for name in ("table.parquet", "final.safetensors"):
        (other / "data" / name).write_bytes(b"x")
    assert rerun.compare(done, other)[0] == [
        "data/final.safetensors: other bytes",
        "data/metrics.json: top1.1: 0.25 then, 0.5 now",
        "data/table.csv: top1, row 0: 0.5 then, 0.75 now",
        "data/table.parquet: other bytes",
    ]


@pytest.mark.parametrize("name", ["seconds", "train_seconds", "clips_per_second", "latency_ms", "updated", "started"])
def test_times_are_left_out_and_nothing_else(name):
    assert rerun.TIMES.fullmatch(name)
    for kept in ("test_top1", "ou_time_s", "checkpoint_seconds_x", "clips_seen", "ade_px", "macs", "val_loss"):
        assert not rerun.TIMES.fullmatch(kept)


def test_a_run_that_lacks_a_stage_is_not_repeated(done):
    shutil.rmtree(done / "train-i3d")
    with pytest.raises(ParameterError, match=r"tiny has no whole result \(train-i3d\): let it end."):
        rerun.plan(done, "tiny-rerun")


def test_a_run_without_manifests_is_told_so_before_anything_is_compared(done):
    for path in done.glob(f"*/{provenance.NAME}"):
        path.unlink()
    with pytest.raises(ParameterError, match=r"tiny has no whole result"):
        list(rerun.otherwise(done))


def test_a_repository_in_this_one_or_a_link_into_nowhere_costs_no_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "init", "-q", tmp_path / "inner"], check=True)
    (tmp_path / "inner" / "file").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = provenance.code()["changes"]
    assert before
    (tmp_path / "other").symlink_to(tmp_path / "nowhere")
    assert provenance.code()["changes"] != before, "a new name counts"


def test_what_has_changed_since_is_said(done, monkeypatch):
    assert list(rerun.otherwise(done)) == []
    monkeypatch.setattr(provenance, "environment", lambda: manifest(done, "data")["environment"] | {"torch": "9"})
    assert [line.partition(": ")[0] for line in rerun.otherwise(done)] == ["torch"]


@pytest.mark.slow
def test_a_smoke_run_repeated_reports_no_difference(monkeypatch, tmp_path):
    monkeypatch.setenv("TRAJNB_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    command = [sys.executable, "-c", "from trajnb import cli; cli.main()"]
    small = ["-p", "models=[i3d]", "-p", "clips=80", "-p", "test_clips=40", "-p", "epochs=1", "-p", "run_name=small"]
    subprocess.run([*command, "run", "params/smoke.yaml", *small], cwd=ROOT, check=True, capture_output=True)
    again = subprocess.run([*command, "rerun", "small"], cwd=ROOT, capture_output=True, text=True)
    assert again.returncode == 0, again.stdout[-2000:] + again.stderr
    assert re.search(r"small: \d+ files of results compared, nothing different", again.stdout)
    for name in ("small", "small-rerun"):
        verified = subprocess.run([*command, "verify", name], cwd=ROOT, capture_output=True, text=True)
        assert (verified.returncode, "nothing wrong" in verified.stdout) == (0, True), verified.stdout


VALIDATOR = s3.tool("rocrate-validator")
UNMET = {  # recommendations that we leave unmet: an agent's name, and a web address that this project does not have
    "process-run-crate-0.5_3.2",
    "process-run-crate-0.5_5.1",
    "process-run-crate-0.5_8.6",
    "ro-crate-1.1_22.2",
    "ro-crate-1.1_22.3",
    "ro-crate-1.1_24.1",
}


@pytest.mark.skipif(VALIDATOR is None, reason="no validator: `make test` installs one")
@pytest.mark.parametrize("severity", ["required", "recommended"])
def test_the_crate_is_valid_by_a_public_validator_without_a_network(done, tmp_path, severity):
    """The context is the one that the rocrate package brings, put into the validator's cache: it brings none."""
    context = Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld"
    python, cache = Path(VALIDATOR).with_name("python"), tmp_path / "cache"
    subprocess.run([python, ROOT / "tests" / "crate_cache.py", cache, context], check=True)
    command = [VALIDATOR, "-y", "validate", "--offline", "--cache-path", cache, "-p", "process-run-crate", "-np"]

    def issues():
        report = tmp_path / "report.json"
        subprocess.run([*command, "-l", severity, "-f", "json", "-o", report, done], capture_output=True)
        return {issue["check"]["identifier"] for issue in files.read_json(report)["issues"]}

    assert issues() == (set() if severity == "required" else UNMET)
    path = done / provenance.CRATE
    broken = json.loads(path.read_text())
    broken["@graph"] = [{k: v for k, v in one.items() if k != "instrument"} for one in broken["@graph"]]
    path.write_text(json.dumps(broken))
    assert issues() - UNMET, "the validator does look"


def test_the_crate_holds_the_facts_of_the_manifests(done):
    from rocrate.rocrate import ROCrate

    found = ROCrate(done)
    assert {one.id for one in found.root_dataset["mentions"]} == {"#data", "#train-i3d"}
    action, one = found.get("#data"), manifest(done, "data")
    assert {file.id for file in action["result"]} == set(one["outputs"]) - {"data/params.yaml"}
    assert found.get("data/table.csv")["sha256"] == one["outputs"]["data/table.csv"]["sha256"]
    assert {file.id for file in found.get("#train-i3d")["object"]} == {"train-i3d/params.yaml", "data/product"}
    assert crate.write(done).read_bytes() == (done / provenance.CRATE).read_bytes(), "the same facts, the same bytes"
