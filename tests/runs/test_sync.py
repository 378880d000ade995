"""A run pushes itself: whole or not at all, through faults and kills, and without a word about who made it."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import s3
import tenacity
from nbformat.v4 import new_code_cell, new_notebook, new_output

from trajnb import ROOT, cli, files
from trajnb.config import Config, ParameterError
from trajnb.runs import provenance, record, remote, status, sync

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
needs_server = pytest.mark.skipif(s3.tool("moto_server") is None, reason="no S3 server: `make test` installs one")
CHECKPOINT, FIRST = "train-i3d/checkpoints/step-00000001-0000000000000000.pt", b"1" * 5000


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Tries follow at once, looks soon."""
    monkeypatch.setattr(remote.Remote.put.retry, "wait", tenacity.wait_none())
    monkeypatch.setattr(remote.Remote.get.retry, "wait", tenacity.wait_none())
    monkeypatch.setattr(remote.Remote.index.retry, "wait", tenacity.wait_none())
    monkeypatch.setattr(sync, "BETWEEN_LOOKS_S", 0.1)
    monkeypatch.setattr(sync, "GIVE_UP_S", 0.2)


@pytest.fixture
def run_dir(cfg):
    """A run's folder with a file of each kind."""
    files.write_json(cfg.run_dir / "run.json", {"run": "tiny", "status": "done", "parameters": {}, "stages": {}})
    files.write_text(cfg.run_dir / "leaderboard.csv", "model,test_top1\ni3d,0.5\n")
    files.write_text(cfg.run_dir / "train-i3d" / "notebook.ipynb", nbformat.writes(new_notebook()))
    files.write_bytes(cfg.run_dir / CHECKPOINT, FIRST)
    return cfg.run_dir


@pytest.fixture
def url(tmp_path):
    return (tmp_path / "remote" / "tiny").as_uri()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """What is called inside finds the outputs of another machine."""

    @contextlib.contextmanager
    def there():
        with monkeypatch.context() as patch:
            patch.setenv("TRAJNB_OUTPUTS", str(tmp_path / "laptop"))
            yield tmp_path / "laptop" / "tiny"

    return there


def push(url, run_dir, last=False):
    mirror = sync.Mirror(url, run_dir)
    with contextlib.ExitStack() as held:
        mirror.look(held, last)
    return mirror


def there(url):
    """{path: content} of what an index lists."""
    far = remote.Remote(url)
    return {name: far.get(digest) for name, digest in far.index()["files"].items()}


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in provenance.every(folder)}


@pytest.fixture(params=["file", pytest.param("s3", marks=needs_server)])
def place(request, url, monkeypatch):
    """A URL of each kind that is promised."""
    if request.param == "file":
        yield url
        return
    with s3.server() as port:
        for name, value in s3.environment(f"http://127.0.0.1:{port}").items():
            monkeypatch.setenv(name, value)
        yield f"s3://{s3.BUCKET}/here/tiny"


def test_pushed_and_pulled(place, run_dir, elsewhere):
    push(place, run_dir, last=True)
    with elsewhere() as pulled:
        assert remote.pull(place) == (pulled, 4, 0)
        assert contents(pulled) == contents(run_dir)
        (pulled / "mine.txt").write_text("mine")
        (pulled / "leaderboard.csv").write_text("model,test_top1\ni3d,0.9\n")  # of the same size
        assert remote.pull(place) == (pulled, 1, 3)
        assert (pulled / "leaderboard.csv").read_text() == "model,test_top1\ni3d,0.5\n"
        assert (pulled / "mine.txt").read_text() == "mine"


def test_a_newer_checkpoint_of_the_same_size_and_time_is_pushed(place, run_dir):
    mirror = push(place, run_dir)
    before = (run_dir / CHECKPOINT).stat()
    files.write_bytes(run_dir / CHECKPOINT, b"2" * len(FIRST))
    os.utime(run_dir / CHECKPOINT, ns=(before.st_atime_ns, before.st_mtime_ns))
    mirror.push()
    assert there(place)[CHECKPOINT] == b"2" * len(FIRST)
    assert len(mirror.remote.fs.ls(f"{mirror.remote.root}/objects")) == 4, "the old one is gone"


def test_only_new_contents_are_sent_and_the_order_holds(url, run_dir, monkeypatch):
    sent, put = [], remote.Remote.put
    monkeypatch.setattr(remote.Remote, "put", lambda *a: (sent.append(a[2]), put(*a)))
    mirror = push(url, run_dir)
    named = {content: name for name, content in contents(run_dir).items()}
    kinds = ["index" if b'"pushed"' in one else named[one] for one in sent]
    names = ["run.json", "index", "leaderboard.csv", "index", "train-i3d/notebook.ipynb", "index", CHECKPOINT, "index"]
    assert kinds == names
    sent.clear()
    push(url, run_dir)
    mirror.push()
    assert sent == []


def test_what_is_being_written_is_never_pushed(url, run_dir):
    files.write_text(run_dir / "train-i3d" / "notebook.running.ipynb", '{"cells": [')
    for name in (".history.csv.1a2b.tmp", "half.tmp", ".lock", "checkpoints/x.damaged"):
        files.write_text(run_dir / "train-i3d" / name, "half")
    (run_dir / "link").symlink_to("/etc/hostname")
    push(url, run_dir, last=True)
    assert set(there(url)) == {"run.json", "leaderboard.csv", "train-i3d/notebook.ipynb", CHECKPOINT}


def test_what_goes_here_goes_there_but_not_before_its_successor_has_arrived(url, run_dir, monkeypatch):
    mirror = push(url, run_dir)
    (run_dir / CHECKPOINT).unlink()
    newer = CHECKPOINT.replace("-00000001-", "-00000002-")
    files.write_bytes(run_dir / newer, b"2")
    indexes, put = [], remote.Remote.put_index
    monkeypatch.setattr(remote.Remote, "put_index", lambda *a: (indexes.append(set(a[2])), put(*a)))
    mirror.push()
    assert all({CHECKPOINT, newer} & names for names in indexes)
    assert newer in indexes[-1] and CHECKPOINT not in indexes[-1]


@pytest.fixture
def fresh(tmp_path):
    """The same run's folder on another machine, which has nothing but a stage of its own."""
    files.write_text(tmp_path / "fresh" / "tiny" / "data" / "audit.json", "{}")
    return tmp_path / "fresh" / "tiny"


def test_a_machine_that_starts_afresh_leaves_other_stages_alone(url, run_dir, fresh):
    push(url, run_dir, last=True)
    push(url, fresh, last=True)
    assert set(there(url)) == {"data/audit.json", "train-i3d/notebook.ipynb", CHECKPOINT}, (
        "what is of the whole run goes"
    )


def test_of_two_machines_the_second_waits_until_the_first_has_ended_or_is_silent(url, run_dir, fresh, monkeypatch):
    first, second = push(url, run_dir), sync.Mirror(url, fresh)
    with contextlib.ExitStack() as held, pytest.raises(OSError, match="another machine pushes a run of this name"):
        second.look(held, last=True)
    assert set(there(url)) == set(contents(run_dir))
    with contextlib.ExitStack() as held:
        first.look(held, last=True)  # its run has ended
    push(url, fresh)
    assert {"data/audit.json", CHECKPOINT} <= set(there(url))
    monkeypatch.setattr(sync, "TAKE_OVER_S", 0.0)
    files.write_text(run_dir / "train-i3d" / "history.csv", "epoch\n1\n")
    with pytest.raises(OSError, match="meanwhile"):
        first.push()  # what the other has left is not written over
    with contextlib.ExitStack() as held:
        first.look(held, last=True)
    assert {"data/audit.json", "train-i3d/history.csv", CHECKPOINT} <= set(there(url))


def test_what_is_pulled_while_a_run_runs_is_not_taken_for_killed_and_leaves_nothing_old(url, run_dir, elsewhere):
    found = {"run": "tiny", "status": "running", "started": "1", "stages": {}}
    files.write_json(run_dir / "run.json", found)
    files.write_text(run_dir / "train-i3d" / "notebook.running.ipynb", nbformat.writes(new_notebook()))
    push(url, run_dir)
    with elsewhere() as pulled:
        remote.pull(url)
        assert next(status.lines(pulled)).startswith("run tiny: running")
        assert any(line.startswith(f"pulled: as {url} had it") for line in status.lines(pulled))
    (run_dir / "train-i3d" / "notebook.running.ipynb").unlink()
    files.write_json(run_dir / "run.json", found | {"status": "done"})
    push(url, run_dir, last=True)
    with elsewhere() as pulled:
        (pulled / "mine.txt").write_text("mine")
        remote.pull(url)
        assert contents(pulled).keys() == contents(run_dir).keys() | {"mine.txt"}


def test_another_run_of_the_same_name_is_not_pulled_over(url, run_dir, elsewhere):
    files.write_json(run_dir / "run.json", {"run": "tiny", "status": "done", "started": "1", "stages": {}})
    push(url, run_dir)
    with elsewhere() as pulled:
        own = {"run": "tiny", "status": "done", "started": "2", "stages": {}}
        files.write_json(pulled / "run.json", own)
        with pytest.raises(ParameterError, match="another run of this name was made here"):
            remote.pull(url)
        assert files.read_json(pulled / "run.json") == own and not (pulled / "leaderboard.csv").exists()


def test_the_state_of_a_url_is_read_again_where_an_object_has_just_been_replaced(url, run_dir, monkeypatch):
    push(url, run_dir)
    get, failures = remote.Remote.get, iter([FileNotFoundError("swept")])

    def sometimes(far, digest):
        for error in failures:
            raise error
        return get(far, digest)

    monkeypatch.setattr(remote.Remote, "get", sometimes)
    assert remote.lines(url)[0].startswith("run tiny: done")


def test_damage_at_the_remote_is_found_mended_and_never_pulled(url, run_dir, elsewhere, tmp_path):
    mirror = push(url, run_dir)
    digest = mirror.there[CHECKPOINT]
    path = tmp_path / "remote" / "tiny" / "objects" / digest
    for damage in (b"1" * 4999 + b"2", b"", FIRST[:100]):
        path.write_bytes(damage)
        with elsewhere() as pulled, pytest.raises(remote.Damaged):
            remote.pull(url)
        assert not (pulled / CHECKPOINT).exists()
        mirror.verify()
        assert path.read_bytes() == FIRST
    index = tmp_path / "remote" / "tiny" / "index.json"
    whole = index.read_text()
    changed = whole.replace("leaderboard", "leaderbored"), whole.replace(digest, "0" * 64)
    for damage in (whole[:50], "[]", "{}", *changed):
        index.write_text(damage)
        with pytest.raises(remote.Damaged):
            remote.Remote(url).index()
    push(url, run_dir)
    assert there(url)[CHECKPOINT] == FIRST


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//b", ".git/hooks/x", "a\\b", "C:x", ""])
def test_a_remote_cannot_write_elsewhere(url, run_dir, name, elsewhere):
    mirror = push(url, run_dir)
    mirror.remote.put_index("tiny", {name: mirror.there[CHECKPOINT]})
    with elsewhere(), pytest.raises(remote.Damaged):
        remote.pull(url)
    mirror.remote.put_index("../tiny", {"x": mirror.there[CHECKPOINT]})
    with elsewhere(), pytest.raises(ParameterError):
        remote.pull(url)


@needs_server
@pytest.mark.slow
def test_nothing_wrong_arrives_unnoticed_through_a_broken_network(tmp_path):
    command = [sys.executable, "benchmarks/sync.py", "150", "0", "3"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    found = dict(line.split(": ") for line in done.stdout.splitlines() if line.count(": ") == 1)
    assert sum(int(found.get(fault, 0)) for fault in s3.FAULTS) > 5
    assert int(found["files compared"]) > 0
    assert found["wrong and undetected / transfers"].startswith("0 / 1")
    assert done.stdout.count("killed ") == 3


def start(url, run_dir):
    """A pusher that looks, and gives up, at once."""
    code = "import sys; from trajnb.runs import sync; sync.BETWEEN_LOOKS_S = sync.GIVE_UP_S = 0.05; "
    command = [sys.executable, "-c", code + "sys.exit(sync.main(*sys.argv[1:]))", url, str(run_dir)]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)


def wait_for(true, seconds=30):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def arrived(url, name, content):
    with contextlib.suppress(OSError):
        return there(url).get(name) == content


def test_a_killed_pusher_is_gone_on_with_and_a_dead_runner_ends_it(url, run_dir):
    pusher = start(url, run_dir)
    wait_for(lambda: arrived(url, CHECKPOINT, FIRST))
    pusher.send_signal(signal.SIGKILL)
    pusher.wait()
    assert there(url)[CHECKPOINT] == FIRST, "what has arrived stays whole"
    files.write_bytes(run_dir / CHECKPOINT, b"2" * len(FIRST))
    second = start(url, run_dir)
    second.stdin.close()  # as when the runner is killed
    assert second.wait(30) == 0
    assert there(url)[CHECKPOINT] == b"2" * len(FIRST)
    assert files.read_json(run_dir / status.SYNC)["state"] == "verified"


def test_the_runner_starts_a_killed_pusher_again(run_dir, tmp_path, monkeypatch):
    started, real = [], sync.start
    monkeypatch.setattr(sync, "start", lambda *a: started.append(real(*a)) or started[-1])
    with sync.pushing((tmp_path / "remote").as_uri(), run_dir):
        wait_for(lambda: started)
        started[0].kill()
        wait_for(lambda: len(started) > 1)
    assert started[-1].returncode == 0
    assert there((tmp_path / "remote" / "tiny").as_uri())[CHECKPOINT] == FIRST


def test_a_dead_remote_is_reported_and_stops_nothing(run_dir, monkeypatch, capsys):
    for name, value in s3.environment(f"http://127.0.0.1:{s3.free_port()}").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sync, "start", start)
    begun = time.monotonic()
    with sync.pushing("s3://lab/x", run_dir):
        assert time.monotonic() - begun < 1, "the run waits for nothing"
    assert "sync: REMOTE AWAY, nothing whole arrived yet, OSError" in capsys.readouterr().out
    assert any("REMOTE AWAY" in line for line in status.lines(run_dir))


def test_the_run_and_its_pages_arrive(cfg, make, url, monkeypatch, tmp_path, capsys):
    stage = make("a", "from pathlib import Path; Path(folder, 'product').touch()")
    monkeypatch.setattr(cli.stages, "plan", lambda *a: [stage])
    monkeypatch.setattr(sys, "argv", ["trajnb", "run", os.devnull, "-p", "run_name=tiny", "-p", f"sync={url[:-5]}"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 0
    assert "files are there, read again and whole" in capsys.readouterr().out
    names = {
        "index.html",
        "run.json",
        "SHA256SUMS",
        "ro-crate-metadata.json",
        "a/provenance/manifest.json",
        "a/product",
    }
    assert names <= set(there(url))
    assert "sync" not in record.read(cfg.run_dir)["parameters"]
    assert not any(url.encode() in content for content in there(url).values())


def test_status_of_a_url(url, run_dir, monkeypatch, capsys):
    push(url, run_dir)
    monkeypatch.setattr(sys, "argv", ["trajnb", "status", url])
    with pytest.raises(SystemExit):
        cli.main()
    said = capsys.readouterr().out
    assert said.startswith("run tiny: done, 0 of 0 stages done")
    assert "4 files there, pushed 0 s ago" in said or "4 files there, pushed 1 s ago" in said


def test_a_url_without_a_run(url, monkeypatch, capsys, cfg):
    for command in ("status", "pull"):
        monkeypatch.setattr(sys, "argv", ["trajnb", command, url])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 2
        assert "holds no run: write what `sync` was" in capsys.readouterr().err
    assert not cfg.run_dir.exists()


@pytest.mark.parametrize("url", ["s3://key:secret@lab/x", "s3://lab/x?secret=y", "lab/x", "s3://lab/a b", "s3://u@lab"])
def test_no_plain_url_or_credentials_in_it_are_refused_without_being_printed(url):
    with pytest.raises(ParameterError, match="is no plain URL: write s3://BUCKET/FOLDER or file:///FOLDER") as refused:
        Config(sync=url)
    assert "secret" not in str(refused.value).split(": write")[0]


def test_an_unknown_kind_of_url_is_refused_before_anything_starts(run_dir):
    with pytest.raises(ParameterError, match="cannot be used"), sync.pushing("nowhere://x", run_dir):
        raise AssertionError("started")


def test_where_it_is_pushed_changes_no_stage(tmp_path):
    from trajnb.runs import stages
    from trajnb.training import checkpoints

    plans = [stages.plan(Config(sync=url)) for url in ("", tmp_path.as_uri())]
    assert [one.parameters for one in plans[0]] == [one.parameters for one in plans[1]]
    assert "sync" in checkpoints.FREE


def test_every_byte_is_pushed_as_it_is(url, run_dir, monkeypatch):
    monkeypatch.setenv("VARIABLE_KEY", "parabolic")
    told = f"{ROOT}/x {Path.home()}/y parabolic"
    notebook = new_notebook(cells=[new_code_cell("1", outputs=[new_output("stream", text=told)])])
    texts = {"notebook.failed.ipynb": nbformat.writes(notebook)} | dict.fromkeys(("log.txt", "a.csv", "a.json"), told)
    for name, text in texts.items():
        files.write_text(run_dir / "train-i3d" / name, text)
    push(url, run_dir, last=True)
    assert {name: there(url)[f"train-i3d/{name}"].decode() for name in texts} == texts
