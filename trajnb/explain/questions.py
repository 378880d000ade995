"""Questions about footage, answered from the record of its prediction alone: what `trajnb ask` does."""

import re

from trajnb.explain import evidence, language_model, words
from trajnb.explain.evidence import Evidence
from trajnb.explain.verify import SUPPORTED, verify
from trajnb.predict import trained

FUTURE = r"\bwill\b|next|future|predict|going|\bgo\b|land"
AHEAD = re.compile(r"(\d+\.?\d*|\b(?:half an?|an?|one|two|three)(?= )) *(ms|milli|s\b|sec|frame|min|hour)")
NUMBERS = {"half a": 0.5, "half an": 0.5, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3}
SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1, "sec": 1, "min": 60, "hour": 3600}


def ask(path, question, run, model="best", rate=30.0, writer=""):
    """(whether there is an answer, its sentences) to a question about footage; `writer`: a language model.

    Raises ParameterError for a run, model or writer that is not there, ValueError for footage that cannot be predicted.
    """
    network = evidence.load(trained.config_of(run), model)
    try:
        one = evidence.of_footage(network, path, rate)
    except ValueError as reason:
        raise ValueError(f"{path}: {reason}.") from None
    answered, sentences = answer(question, one)
    if not (writer and answered):
        return answered, sentences
    task = f"Answer this question in a few sentences: {question}"
    checked, why = language_model.write(one, writer, task, sentences)
    supported = [one.sentence for one in checked if one.status == SUPPORTED]
    note = f"Written by {writer}; {len(checked) - len(supported)} unsupported sentences were left out."
    return True, [*(supported or sentences), f"Written by rules; {writer} was left out: {why}." if why else note]


def answer(question, e):
    """(whether an Evidence answers a question, sentences by rules)."""
    question, (step, *_), (horizon, *_) = question.lower(), e.future[0], e.future[-1]
    if re.search(FUTURE, question):
        ahead = AHEAD.search(question)
        seconds = float(NUMBERS.get(ahead[1], ahead[1])) * (SECONDS | {"frame": step})[ahead[2]] if ahead else horizon
        soonest = words.expecting(min(e.future, key=lambda one: abs(one[0] - seconds)))
        if seconds > horizon + step / 2:
            cannot = f"not where the object will be in {seconds:g} s"
            return False, [f"The network predicts {len(e.future)} frames, {horizon:.2f} s, ahead: {cannot}.", soonest]
        return True, [soonest, f"It is expected to move {words.to(e.future_heading)}."]
    about = {field: one.json_schema_extra["about"] for field, one in Evidence.model_fields.items()}
    fields = {field for field, pattern in about.items() if re.search(pattern, question)}
    found = [one.sentence for one in verify(words.write(e, "page"), e) if fields & {*one.fields}]
    topics = "motion, how sure, speed, direction, turning points, depth, future, attention, training clips"
    return bool(found), found or [f"The record of this prediction does not tell that, but: {topics}."]
