"""Questions about a prediction, answered from its record alone."""

import re

from trajnb.explain import evidence, language_model, seen, words
from trajnb.explain.verify import SUPPORTED, verify
from trajnb.predict import trained

TOPICS = {  # words of a question: the fields that answer it, the first that fit
    r"\bwill\b|next|future|predict|\bgo(es|ing)?\b|land": {"future_heading"},
    "why": {"motion", "turn", "nearest"},
    "sure|certain|confiden|probab|trust|agree": {"motion", "probability", "votes", "ood"},
    "look|attention|attend|focus": {"look_px", "look_passes"},
    "unlike|unusual|distribution|odd|similar|training": {"ood", "nearest"},
    "near|far|depth|distance|away|approach|camera": {"depth_change"},
    "turn|curv|bend|straight|rotat|clockwise": {"turn", "turnings"},
    "fast|speed|slow|accelerat": {"speed_px_s", "speed_change"},
    "where|direction|which way|left|right|path|start|end|begin": {"path_px", "path_off_px"},
    "what|which|how|class|kind|motion|move": {"motion", "heading"},
}
AHEAD = re.compile(r"(\d+\.?\d*|half an?|a quarter of an?|an?|one|two|three) *(ms|milli|s\b|sec|frame|min|hour)")
NUMBERS = {"half a": 0.5, "half an": 0.5, "a quarter of a": 0.25, "a quarter of an": 0.25}
NUMBERS |= {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3}
SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1, "sec": 1, "min": 60, "hour": 3600}


def of_footage(path, question, run, model, rate, writer=""):
    """As `answer`, of footage; of a language model's sentences those that are supported, and what it left to rules."""
    network = seen.load(trained.config_of(run), model)
    one = evidence.of_footage(network, path, rate)
    answered, sentences = answer(question, one)
    if not (writer and answered):
        return answered, sentences
    text = language_model.write(one, writer, f"Answer this question from the record: {question}")
    if text.writer != writer:
        return answered, [*sentences, text.note]
    dropped = sum(sentence.status != SUPPORTED for sentence in text.checked)
    told = [sentence.sentence for sentence in text.checked if sentence.status == SUPPORTED]
    return answered, [*told, f"Written by {writer}; {dropped} unsupported sentences were left out."]


def answer(question, evidence):
    """(whether the record answers a question, sentences)."""
    question, step, last = question.lower(), evidence.future[0].seconds, evidence.future[-1]
    fields = next((fields for pattern, fields in TOPICS.items() if re.search(pattern, question)), set())
    ahead = AHEAD.search(question)
    if "future_heading" in fields and ahead:
        seconds = float(NUMBERS.get(ahead[1], ahead[1])) * (SECONDS | {"frame": step})[ahead[2]]
        if seconds > last.seconds + step / 2:
            horizon = f"{len(evidence.future)} frames, {last.seconds:.2f} s,"
            text = (
                f"The network predicts {horizon} ahead and no farther: not where the object will be in {seconds:g} s."
            )
            return False, [text, words.expecting(last)]
        return True, [words.expecting(min(evidence.future, key=lambda one: abs(one.seconds - seconds)))]
    found = [one.sentence for one in verify(words.write(evidence, "page"), evidence) if fields & {*one.fields}]
    found += [words.expecting(last)] if "future_heading" in fields else []
    about = "motion, how sure, speed, direction, turning points, depth, future, attention, training clips"
    return bool(found), found or [f"The record of this prediction does not answer that; it tells: {about}."]
