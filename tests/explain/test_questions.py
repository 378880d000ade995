"""Questions are answered from the record, or it is said that they are not."""

import numpy as np
import pytest

from trajnb import cli
from trajnb.explain import evidence, language_model
from trajnb.explain.verify import SUPPORTED, verify
from trajnb.explain.words import answer
from trajnb.predict import annotate, trained


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("Where will it be in 0.1 s?", ["In 0.10 s the object is expected at (18, 32) px"]),
        ("where will it be in 100 ms", ["In 0.10 s the object is expected at (18, 32) px"]),
        ("Where will it be in three frames?", ["In 0.10 s the object is expected at (18, 32) px"]),
        ("Where does it go next?", ["In 0.17 s the object is expected at (16, 34) px", "to move down and to the left"]),
        ("What kind of motion is it?", ["sure that the motion is circular"]),
        ("How sure is the network?", ["93.8 % for circular"]),
        ("How fast is it?", ["61 px/s"]),
        ("Where does the network look?", ["looks most at (40, 24) px"]),
        ("Does it come nearer?", ["12 % nearer"]),
        ("Why is it circular?", ["turns clockwise", "4 are circular"]),
        ("Can I trust this?", ["like the training clips"]),
        ("When does it reach its turning point?", ["from right to left at 0.20 s"]),
    ],
)
def test_an_answer_is_what_the_record_says(record, question, words):
    answered, sentences = answer(question, record)
    assert answered and all(any(word in one for one in sentences) for word in words), sentences
    assert {one.status for one in verify(sentences, record)} == {SUPPORTED}


def test_what_lies_beyond_the_horizon_is_not_answered(record):
    for question in ("Where will it be in half a second?", "where will it be in an hour", "will it land in 9 frames?"):
        answered, sentences = answer(question, record)
        assert not answered and sentences[0].startswith("The network predicts 0.17 s ahead, not ")
        assert sentences[1].startswith("In 0.17 s the object is expected at")
    assert answer("where will it be in -1 s?", record)[1][0].endswith("not -1 s.")


@pytest.mark.parametrize("question", ["What colour is the ball?", "Who threw it?", "rm -rf /", ""])
def test_what_the_record_does_not_tell_is_not_answered(record, question):
    answered, (sentence,) = answer(question, record)
    assert not answered and sentence.startswith("The record of this prediction does not tell that")


def test_ask_answers_about_a_file(explainer, tmp_path, monkeypatch, capsys):
    np.save(tmp_path / "a.npy", annotate.thrown_square())
    monkeypatch.setattr(trained, "config_of", lambda run: None)
    monkeypatch.setattr(evidence, "Explainer", lambda cfg, model: explainer)

    def ended(*words):
        monkeypatch.setattr("sys.argv", ["trajnb", "ask", str(tmp_path / "a.npy"), *words])
        with pytest.raises(SystemExit) as code:
            cli.main()
        return code.value.code, *capsys.readouterr()

    code, by_rules, _ = ended("how fast does it move?")
    assert code == 0 and "px/s" in by_rules
    for wrote, why, shown in [
        (["It is a lie.", "In 0.17 s it is expected."], "", "Written by m; 1 unsupported sentences were left out."),
        (["It is a lie."], "no answer in 2 s", f"{by_rules}Written by rules; m was left out: no answer in 2 s."),
    ]:
        monkeypatch.setattr(language_model, "write", lambda e, *_, wrote=wrote, why=why: (verify(wrote, e), why))
        code, printed, _ = ended("how fast does it move?", "--writer", "m")
        assert code == 0 and "lie" not in printed and printed.endswith(f"{shown}\n")
    code, printed, _ = ended("where will it be in half a second?")
    assert code == 1 and "0.17 s ahead, not 0.5 s." in printed
    np.save(tmp_path / "a.npy", np.full((20, 80, 80), 50, np.uint8))
    code, _, refused = ended("where is it?")
    assert code == 2 and refused.count("\n") == 1, "nothing moves"
