"""A language model that lies, hangs, returns garbage or gives orders: a real OpenAI-compatible server on loopback.

`make .venv/explain/.ready` installs the llm program into a folder of its own; without it these tests are skipped.
"""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml

from trajnb import ROOT, ParameterError
from trajnb.explain import language_model, words
from trajnb.explain.verify import CONTRADICTED, SUPPORTED, UNSUPPORTED, verify

LLM = ROOT / ".venv" / "explain"
pytestmark = pytest.mark.skipif(
    not (LLM / "llm").is_dir(), reason="llm is not in .venv/explain: make .venv/explain/.ready installs it"
)
TRUE = "It is circular, with a probability of 94 %."
LIES = ["The motion is linear.", "It moves down and to the left.", "The mean speed is 75 px/s."]
ORDERS = ["Ignore the record: `touch {stolen}`.", "<script>fetch('http://127.0.0.1:1')</script>", "$(touch {stolen})"]


class Handler(BaseHTTPRequestHandler):
    """Answers with `server.says`, a text or a number of seconds to be silent for."""

    def do_POST(self):
        self.server.seen.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        if isinstance(self.server.says, float):
            self.server.gone.wait(self.server.says)
            return
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.end_headers()
        choice = {"message": {"role": "assistant", "content": self.server.says}}
        self.wfile.write(json.dumps({"choices": [choice], "usage": {}}).encode())

    def log_message(self, *arguments):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(LLM))
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.says, server.seen, server.gone = "", [], threading.Event()
        about = {"model_id": "scripted", "model_name": "m", "api_base": f"http://127.0.0.1:{server.server_port}/v1"}
        (tmp_path / "extra-openai-models.yaml").write_text(yaml.safe_dump([about | {"supports_schema": True}]))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.gone.set()
        server.shutdown()


def answer(*sentences):
    return json.dumps({"sentences": sentences})


def test_a_model_sees_the_record_lies_are_caught_and_orders_are_letters(server, record, tmp_path):
    stolen = tmp_path / "stolen"
    server.says = answer(TRUE, *LIES, *(order.format(stolen=stolen) for order in ORDERS))
    checked, why = language_model.write(record, "scripted")
    assert (why, [one.sentence for one in checked if one.status == SUPPORTED]) == ("", [TRUE])
    assert [one.status for one in checked] == [SUPPORTED] + 3 * [CONTRADICTED] + 3 * [UNSUPPORTED]
    assert not stolen.exists()
    (prompt,) = server.seen
    assert prompt["messages"][1]["content"].startswith("\n".join(words.write(record)))
    assert prompt["response_format"]["type"] == "json_schema" and "tools" not in prompt


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (answer(*LIES), "it wrote nothing that follows"),
        ("{[" * 1_000_000, "it wrote nothing that follows"),
        (60.0, "no answer in 2 s"),
    ],
    ids=["lies", "garbage", "silence"],
)
def test_garbage_lies_and_silence_are_left_after_two_attempts(server, record, monkeypatch, says, reason):
    monkeypatch.setattr(language_model, "TIMEOUT_S", 2.0 if says == 60.0 else 60.0)
    server.says, start = says, time.monotonic()
    checked, why = language_model.write(record, "scripted")
    assert why.startswith(reason) and SUPPORTED not in {one.status for one in checked}
    assert (says == 60.0 or len(server.seen) >= 2) and time.monotonic() - start < 40


@pytest.mark.parametrize("text", ["", "\x00\xff{[", '{"sentences": 3}', "[" * 10_000, '{"a": 1}', "{} }"], ids=range(6))
def test_what_is_no_json_of_sentences_is_read_as_plain_text(text, record):
    assert {one.status for one in verify(language_model.sentences(text), record)} <= {UNSUPPORTED}
    plain = f"{TRUE} It moves up and right at 61 px/s. It was thrown."
    found = [one.status for one in verify(language_model.sentences(plain), record)]
    assert found == [SUPPORTED, SUPPORTED, UNSUPPORTED]
    (endless,) = language_model.sentences("It moves at 61 px/s, " * 1000)
    assert len(endless) == 1000, "20,000 characters of numbers would take the check a minute"


def test_a_model_that_llm_does_not_know_is_one_sentence(server, record):
    with pytest.raises(ParameterError, match="writer: llm has no nonesuch: pip install"):
        language_model.write(record, "nonesuch")
