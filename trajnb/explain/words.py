"""Sentences by rules alone: a record in words, and answers to questions about it."""

import re

from trajnb.evaluation.predictions import REGION
from trajnb.explain.evidence import NEIGHBOURS, Evidence
from trajnb.explain.verify import verify
from trajnb.predict import OOD

FUTURE = r"\bwill\b|next|future|predict|going|\bgo\b|land"
AHEAD = re.compile(r"((?:(?<!\d)-)?\d+\.?\d*|\b(?:half an?|an?|one|two|three)(?= )) *(ms|milli|s\b|sec|frame|min|hour)")
NUMBERS = {"half a": 0.5, "half an": 0.5, "a": 1, "an": 1, "one": 1, "two": 2, "three": 3}
SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1, "sec": 1, "min": 60, "hour": 3600}


def write(e, length="paragraph") -> list[str]:
    """The sentences of a text about an Evidence; `length`: sentence, paragraph or page."""
    words, last = e.in_words, e.future[-1]
    who = f"The {e.networks} networks are" if e.networks > 1 else "The network is"
    opinion = f"{who} {e.certainty} that the motion is {e.motion}"
    if length == "sentence":
        soon = f"in {last[0]:.2f} s it is expected at {pair(last[1])}"
        return [f"{opinion} ({e.probability[e.motion]:.1f} %): the object moves {e.heading}, and {soon}."]
    ranked = sorted(e.probability.items(), key=lambda item: -item[1])
    text = [f"{opinion}.", f"The probability is {', '.join(f'{p:.1f} % for {motion}' for motion, p in ranked)}."]
    if e.networks > 1:
        text.append(f"{e.votes} of {e.networks} networks find{'s' * (e.votes == 1)} {e.motion} the most probable.")
    way = f"from {pair(e.path_px[0])} to {pair(e.path_px[-1])}, {e.heading},"
    text.append(f"The object moves {way} in {e.seconds:.2f} s at a mean speed of {e.speed_px_s:.0f} px/s.")
    how = "is nearly straight: it turns" if words["turn"] == "straight" else f"turns {words['turn']}"
    text.append(f"Its path {how} by {abs(e.turn):.0f} degrees in all.")
    if length == "page":
        turnings = [f"It turns from {before} to {after} at {seconds:.2f} s." for seconds, before, after in e.turnings]
        text += turnings or ["It has no turning point."]
        change = f"At the end it is {abs(e.depth_change):.0f} % {words['depth_change']} than at the start."
        text.append(change if words["depth_change"] else "Its distance from the camera hardly changes.")
        kinds = ", ".join(f"{count} {'are' if count > 1 else 'is'} {motion}" for motion, count in e.nearest.items())
        text.append(f"Of the {NEIGHBOURS} nearest training paths {kinds}.")
        text += map(expecting, e.future[:-1])
    text += [expecting(last), f"It is expected to move {e.future_heading}."]
    text.append(f"The class query looks most at {pair(e.look_px)} at {e.look_seconds:.2f} s.")
    test = f"{'passes' if e.look_passes else 'fails'} the parameter-randomisation test"
    text.append(f"This attention map {'has not been tested' if e.look_passes is None else test}.")
    score = f"its out-of-distribution score is {e.ood:.2f}, the limit is {OOD:g}"
    return [*text, f"The clip is {words['ood']} the training clips: {score}."]


def expecting(one):
    """The sentence about one of the places of a record's future."""
    seconds, place, (wide, high) = one
    region = f"its {100 * REGION:.0f} % region is {2 * wide:.0f} px wide and {2 * high:.0f} px high"
    return f"In {seconds:.2f} s the object is expected at {pair(place)}; {region}."


def pair(xy):
    return f"({xy[0]:.0f}, {xy[1]:.0f}) px"


def answer(question, e):
    """(whether an Evidence answers a question, sentences)."""
    question, (step, *_), (horizon, *_) = question.lower(), e.future[0], e.future[-1]
    if re.search(FUTURE, question):
        ahead = AHEAD.search(question)
        seconds = float(NUMBERS.get(ahead[1], ahead[1])) * (SECONDS | {"frame": step})[ahead[2]] if ahead else horizon
        soonest = expecting(min(e.future, key=lambda one: abs(one[0] - seconds)))
        if not 0 < seconds <= horizon + step / 2:
            return False, [f"The network predicts {horizon:.2f} s ahead, not {seconds:g} s.", soonest]
        return True, [soonest, f"It is expected to move {e.future_heading}."]
    about = {field: one.json_schema_extra["about"] for field, one in Evidence.model_fields.items()}
    fields = {field for field, pattern in about.items() if re.search(pattern, question)}
    found = [one.sentence for one in verify(write(e, "page"), e) if fields & {*one.fields}]
    topics = "motion, how sure, speed, direction, turning points, depth, future, attention, training clips"
    return bool(found), found or [f"The record of this prediction does not tell that, but: {topics}."]
