"""Whether sentences follow from a record: numbers with their units, directions, motions, times, how sure.

A sentence is supported if it states something, all it states follows, and every word of it is known: what a record
cannot tell ("red", "ball", "ignore") makes it unsupported. A wrong number or word makes it contradicted. Whoever wrote
it: only the text is read, and nothing in it is carried out.
"""

import re
from collections import namedtuple

import numpy as np

from trajnb.evaluation.predictions import REGION
from trajnb.explain.evidence import NEIGHBOURS, Evidence, Pair
from trajnb.predict import OOD

SUPPORTED, CONTRADICTED, UNSUPPORTED = "supported", "contradicted", "unsupported"
ROUNDING = 0.01  # of a value, beside half a unit of the last digit written
NUMBER = re.compile(
    r"\(\s*(-?\d+\.?\d*)\s*,\s*(-?\d+\.?\d*)\s*\)\s*(?:px|pixels)?"
    r"|(-?\d+\.?\d*)\s*(%|percent|px/s|pixels per second|px|pixels?|seconds?|s\b|degrees|)"
)
UNITS = {"percent": "%", "pixels per second": "px/s", "pixel": "px", "pixels": "px", "second": "s", "seconds": "s"}
SEGMENT = r"[,;:](?![^(]*\))"  # not the comma of a place
CLAUSE = rf"{SEGMENT}|\s(?=(?:and|but|to|from|while|then)\b)"
FUTURE = r"expect|predict|\bwill\b|future|\bnext\b"
TURN = r"\bfrom (left|right|up|down) to (left|right|up|down)\b"
NEGATED = r"\bhas not been tested|\bnot (sure|certain|confident)|\bno turning points?|\bhardly changes"
# All words that a text may use, also in the plural, beside the motions of its record and what stands in NEGATED.
KNOWN = """a about ahead all also an and are at attention away be been but by camera certain certainty class clip
clockwise closer confident counterclockwise curves degree direction distance distribution down downward ellipse end
estimated expected fails fairly farther find first focuses for frame from future has have having high in is it left
leftward like likely limit look map mean most motion move moved moving nearest nearly nearer network next object
observed of on or out over parameter passes path per percent pixel place point position predicted predicts probability
probable px query randomisation region right rightward s score second so speed start straight sure test than that
the their then these this to total towards training turn turning uncertain unlike unsure up upward was where which while
wide will with would""".split()
CERTAIN = "(sure|certain|confident)"
# What a text may say without a number: field, word of Evidence.in_words, and a pattern of its wordings.
WORDS = [
    ("networks", 1, r"\bthe network (is|finds)"),
    ("motion", "unsure", rf"\bunsure|uncertain|\bnot {CERTAIN}"),
    ("motion", "fairly sure", f"fairly {CERTAIN}"),
    ("motion", "sure", rf"(?<!not )(?<!fairly )\b{CERTAIN}\b"),
    ("turn", "straight", "straight"),
    ("turn", "clockwise", r"\bclockwise"),
    ("turn", "counterclockwise", "counterclockwise"),
    ("turnings", False, "no turning point"),
    ("depth_change", "farther away", r"farther|\baway"),
    ("depth_change", "nearer", "nearer|closer|towards the camera"),
    ("depth_change", "", "distance from the camera hardly changes"),
    ("look_passes", None, "not been tested"),
    ("look_passes", True, "map passes"),
    ("look_passes", False, "map fails"),
    ("ood", "unlike", r"\bunlike the training"),
    ("ood", "like", r"\blike the training"),
]
# A sentence, whether it is supported, the fields that it states, and what is wrong with it.
Checked = namedtuple("Checked", ["sentence", "status", "fields", "reason"])
# A number of the record, its unit, the words (a pattern) that name it, and of a place or region the time ahead.
Fact = namedtuple("Fact", ["field", "value", "unit", "about", "seconds"], defaults=[None])


def verify(sentences, evidence) -> list[Checked]:
    """Each sentence checked against the record."""
    known, checked = {*KNOWN, *re.findall(r"[^\W\d_]+", " ".join(evidence.probability))}, []
    for sentence in sentences:
        text = sentence.lower().replace("\N{DEGREE SIGN}", " degrees")
        found = [*of_numbers(text, evidence), *of_words(text, evidence)]
        fields = sorted({field for field, holds, _ in found if holds})
        wrong = [phrase for field, holds, phrase in found if field and not holds]
        strange = [phrase for field, _, phrase in found if not field]
        words = re.findall(r"[a-z]+|[^a-z0-9 .,;:()%/'\"-]", re.sub(NEGATED, "", text))
        strange += [word for word in words if not {word, word.removesuffix("s")} & known]
        status, reason = SUPPORTED, ""
        if wrong:
            status, reason = CONTRADICTED, f"does not follow: {', '.join(wrong)}"
        elif strange or not fields:
            status, reason = UNSUPPORTED, f"nothing is known of: {', '.join(strange) or 'this'}"
        checked.append(Checked(sentence, status, fields, reason))
    return checked


def coverage(checked):
    """Share of the record's fields that supported sentences state."""
    return len({f for one in checked if one.status == SUPPORTED for f in one.fields}) / len(Evidence.model_fields)


def of_numbers(text, e):
    """(field or None, whether it holds, the phrase) of each number: named in its clause, before it or after it."""
    clauses = re.split(CLAUSE, text)
    times = [match[3] for match in NUMBER.finditer(text) if UNITS.get(match[4], match[4]) == "s"]
    for k, clause in enumerate(clauses):
        for match in NUMBER.finditer(clause):
            x, y, number, unit = match.groups()
            written = {"place": (x, y)} if x else {UNITS.get(unit, unit): (number,)}
            if not x and not unit and "." in number and float(number) <= 1:
                written["%"] = (f"{float(number) * 100:g}",)  # a probability
            contexts = clause, " ".join(clauses[: k + 1]), text
            near = next(filter(None, (facts(e, context, written) for context in contexts)), [])
            if times:  # a place or a region at a time is that of this time
                near = [f for f in near if f.seconds is None or any(close(time, f.seconds) for time in times)]
            equal = [f.field for f in near if all(map(close, written[f.unit], np.atleast_1d(f.value)))]
            yield [*equal, *(fact.field for fact in near), None][0], bool(equal), match[0].strip()


def close(written, value):
    """Whether a number as written is a value, rounded."""
    return abs(float(written) - value) <= 0.5 * 10 ** -len(written.partition(".")[2]) + ROUNDING * abs(value) + 1e-9


def of_words(text, e):
    """As `of_numbers`, of what is stated without a number: single words, directions, motions."""
    for field, word, pattern in WORDS:
        if found := re.search(pattern, text):
            yield field, e.in_words[field] == word, found[0]
    for ways in re.findall(TURN, text):
        yield "turnings", ways in [one[1:] for one in e.turnings], " to ".join(ways)
    for segment in re.split(SEGMENT, re.sub(TURN, "", text)):
        field = "future_heading" if re.search(FUTURE, segment) else "heading"
        for way in re.findall(r"\b(left|right|up|down)(?:wards?)?\b", segment):
            yield field, way in getattr(e, field).split(), way
    for motion in motions_in(text, e):
        if "nearest" in text:
            yield "nearest", motion in e.nearest, motion
        elif motion == e.motion or not re.search(rf"{motion}[^,;]*\d|\d[^,;]*{motion}", text):
            yield "motion", motion == e.motion, motion  # another one may have a number


def motions_in(text, e):
    return [motion for motion in e.probability if re.search(rf"\b{motion}\b", text)]


def facts(e, text, units) -> list[Fact]:
    """All numbers of a record with one of these units that are named in a text."""
    found = []
    for name, field in Evidence.model_fields.items():
        if field.annotation in (int, float, Pair):
            value = getattr(e, name)  # texts say what a sign means in words
            found.append(Fact(name, value if field.annotation == Pair else abs(value), **field.json_schema_extra))
    found += [
        Fact("path_px", e.path_px[0], "place", r"\bfrom\b|start|first"),
        Fact("path_px", e.path_px[-1], "place", r"\bto\b|\bends?\b"),
        Fact("ood", OOD, "", "limit"),
        Fact("nearest", NEIGHBOURS, "", "of the .* training path"),
        Fact("future", REGION * 100, "%", "region|ellipse"),
    ]
    found += [Fact("turnings", seconds, "s", f"from {before} to {after}") for seconds, before, after in e.turnings]
    for motion in motions_in(text, e) or [e.motion]:
        named = f"probab|certain|sure|confident|motion|{motion}"
        found.append(Fact("probability", e.probability[motion], "%", named))
        found.append(Fact("nearest", e.nearest.get(motion, 0), "", "nearest"))
    for seconds, place, (wide, high) in e.future:
        found += [Fact("future", seconds, "s", FUTURE), Fact("future", place, "place", FUTURE, seconds)]
        sides = {"wide|across": 2 * wide, "high|down": 2 * high}
        found += [Fact("future", side, "px", about, seconds) for about, side in sides.items()]
    return [fact for fact in found if fact.unit in units and re.search(fact.about, text)]
