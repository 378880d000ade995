"""Whether sentences follow from a record: numbers with their units, directions, motions, times, how sure.

A sentence is supported if it states something, all it states follows, and every word of it is known: what a record
cannot tell ("red", "ball", "ignore") makes it unsupported. A wrong number or word makes it contradicted. Whoever wrote
it: only the text is read, and nothing in it is carried out.
"""

import re
from typing import NamedTuple

from trajnb.evaluation.predictions import REGION
from trajnb.explain.evidence import LEAST, NEIGHBOURS, STRAIGHT, Evidence
from trajnb.predict import OOD

SUPPORTED, CONTRADICTED, UNSUPPORTED = "supported", "contradicted", "unsupported"
ROUNDING = 0.01  # of a value, beside half a unit of the last digit written
NUMBER = re.compile(
    r"\(\s*(-?\d+\.?\d*)\s*,\s*(-?\d+\.?\d*)\s*\)\s*(?:px|pixels)?"
    r"|(-?\d+\.?\d*)\s*(%|percent|px/s|pixels per second|px|pixels?|seconds?|s\b|degrees?|frames?|)"
)
UNITS = {"percent": "%", "pixels per second": "px/s", "pixel": "px", "pixels": "px", "second": "s", "seconds": "s"}
UNITS |= {"degree": "degrees", "frame": "frames"}
SEGMENT = r"[,;:](?![^(]*\))"  # not the comma of a place
CLAUSE = rf"{SEGMENT}|\s(?=(?:and|but|to|from|while|then)\b)"
FUTURE = r"expect|predict|\bwill\b|future|\bnext\b(?! most)"
TURN = r"\bfrom (left|right|up|down) to (left|right|up|down)\b"
NEGATED = r"\bhas not been tested|\bnot (sure|certain|confident)|\bno turning points?|\bhardly changes"
# All words that a text may use, beside the names and motions of its record and what stands in NEGATED.
KNOWN = """a about ahead all also an and are as at attention away be been but by camera certain certainty class clip
clips clockwise closer confident counterclockwise curves degree degrees direction distance distribution down downward
ellipse end ends estimated even expected fails fairly farther faster find finds first focuses for frame frames from
future has have having high in is it its later left leftward like likely limit look looks map mean measured most motion
move moved moves moving nearest nearly nearer network networks next object observed of off on or out over parameter
passes path paths per percent pixel pixels place point points position positions predicted predicts probability probable
px query radius randomisation region right rightward s score second seconds slower so speed spot start starts straight
sure test than that the their then these this to total towards training turn turning turns uncertain under unlike unsure
up upward was where which while wide will with would""".split()


class Fact(NamedTuple):
    """A number of the record; `about`: words that name it; `motion`, `seconds`: of which motion, at what time."""

    field: str
    unit: str
    value: float | tuple
    about: str
    motion: str | None = None
    seconds: float | None = None


class Checked(NamedTuple):
    """A sentence, whether it is supported, the fields that it states, and what is wrong with it."""

    sentence: str
    status: str
    fields: list[str]
    reason: str = ""


def verify(sentences, evidence) -> list[Checked]:
    """Each sentence checked against the record."""
    numbers, known = facts(evidence), {*KNOWN, *re.findall(r"[^\W\d_]+", " ".join(evidence.probability))}
    return [check(sentence, evidence, numbers, known) for sentence in sentences]


def coverage(checked):
    """Share of the record's fields that supported sentences state."""
    return len({f for one in checked if one.status == SUPPORTED for f in one.fields}) / len(Evidence.model_fields)


def check(sentence, evidence, numbers, known) -> Checked:
    """One sentence against the record, its facts and the words that may be used."""
    text, found = sentence.lower().replace("\N{DEGREE SIGN}", " degrees"), []
    for name in evidence.networks:  # which may hold digits
        found += [("networks", True, name)] * (name.lower() in text)
        text = text.replace(name.lower(), "")
    for part in (of_numbers(text, evidence, numbers), of_words(text, evidence), of_motions(text, evidence)):
        found += part
    fields = sorted({field for field, holds, _ in found if holds})
    wrong = [phrase for field, holds, phrase in found if field and not holds]
    strange = [phrase for field, _, phrase in found if not field]
    words = re.findall(r"[a-z]+|[^a-z0-9 .,;:()%/'\"-]", re.sub(NEGATED, "", text))
    strange += [word for word in words if word not in known]
    if wrong:
        return Checked(sentence, CONTRADICTED, fields, f"does not follow: {', '.join(wrong)}")
    if strange or not fields:
        return Checked(sentence, UNSUPPORTED, fields, f"nothing is known of: {', '.join(strange) or 'this'}")
    return Checked(sentence, SUPPORTED, fields)


def of_numbers(text, evidence, numbers):
    """(field or None, whether it holds, the phrase) of each number: named in its clause, before it or after it."""
    clauses, times = re.split(CLAUSE, text), [m[3] for m in NUMBER.finditer(text) if UNITS.get(m[4], m[4]) == "s"]
    for k, clause in enumerate(clauses):
        for match in NUMBER.finditer(clause):
            contexts = clause, " ".join(clauses[: k + 1]), text
            near = next(filter(None, (candidates(match, numbers, one, evidence) for one in contexts)), [])
            if times:  # a place or a region at a time is that of this time
                near = [f for f in near if f[0].seconds is None or any(close(time, f[0].seconds) for time in times)]
            bound = re.search("(over|under) $|$", clause[: match.start()])[1]
            equal = [fact.field for fact, pairs in near if all(close(*one, bound) for one in pairs)]
            yield [*equal, *(fact.field for fact, _ in near), None][0], bool(equal), match[0].strip()


def candidates(match, numbers, context, evidence):
    """[(Fact, [(number as written, value)])] that a number may state: of its unit, and named in the context."""
    x, y, number, unit = match.groups()
    written = {"place": (x, y)} if x else {UNITS.get(unit, unit): (number,)}
    if not x and not unit and "." in number and float(number) <= 1:
        written["%"] = (f"{float(number) * 100:g}",)  # a probability
    motions = motions_in(context, evidence) or [evidence.motion]
    near = [fact for fact in numbers if fact.unit in written and fact.motion in (None, *motions)]
    near = [fact for fact in near if re.search(fact.about, context)]
    return [(fact, list(zip(written[fact.unit], fact.value if x else (fact.value,), strict=True))) for fact in near]


def close(written, value, bound=None):
    """Whether a number as written is a value, rounded, or a value is `over` or `under` it."""
    if bound:
        return float(written) < value if bound == "over" else float(written) > value
    return abs(float(written) - value) <= 0.5 * 10 ** -len(written.partition(".")[2]) + ROUNDING * abs(value) + 1e-9


def of_words(text, e):
    """As `of_numbers`, of what is stated without a number: statements and directions."""
    for field, pattern, holds in statements(e):
        if found := re.search(pattern, text):
            yield field, holds, found[0]
    for ways in re.findall(TURN, text):
        yield "turnings", ways in [one[1:] for one in e.turnings], " to ".join(ways)
    for segment in re.split(SEGMENT, re.sub(TURN, "", text)):
        field = "future_heading" if re.search(FUTURE, segment) else "heading"
        for way in re.findall(r"\b(left|right|up|down)(?:wards?)?\b", segment):
            yield field, way in getattr(e, field).split(), way


def of_motions(text, e):
    """As `of_numbers`, of motions: the predicted one, the next one as such, others with a number or as recipes."""
    second = max(percent for motion, percent in e.probability.items() if motion != e.motion)
    for motion in motions_in(text, e):
        if "nearest" in text:
            yield "nearest", motion in e.nearest, motion
        elif "next most" in text:
            yield "probability", motion != e.motion and e.probability[motion] == second, motion
        elif motion == e.motion or not re.search(rf"{motion}[^,;]*\d|\d[^,;]*{motion}", text):
            yield "motion", motion == e.motion, motion


def motions_in(text, e):
    return [motion for motion in e.probability if re.search(rf"\b{motion}\b", text)]


def facts(e) -> list[Fact]:
    """All numbers of a record that a text may state."""
    plain = {name: f.json_schema_extra for name, f in Evidence.model_fields.items() if f.annotation in (int, float)}
    found = [Fact(name, each["unit"], abs(getattr(e, name)), each["about"]) for name, each in plain.items()]
    found += [Fact("look_px", "place", e.look_px, Evidence.model_fields["look_px"].json_schema_extra["about"])]
    found += [Fact("path_px", "place", e.path_px[0], r"\bfrom\b|start|first"), Fact("ood", "", OOD, "limit")]
    found += [Fact("path_px", "place", e.path_px[-1], r"\bto\b|\bends?\b")]
    found += [Fact("networks", "", len(e.networks), "network"), Fact("path_px", "frames", len(e.path_px), "observed")]
    found += [Fact("future", "frames", len(e.future), FUTURE), Fact("future", "%", REGION * 100, "region|ellipse")]
    found += [Fact("turnings", "s", seconds, f"from {before} to {after}") for seconds, before, after in e.turnings]
    found += [Fact("nearest", "", NEIGHBOURS, "of the .* training path")]
    for motion, percent in e.probability.items():
        found.append(Fact("probability", "%", percent, f"probab|certain|sure|confident|motion|{motion}", motion))
        found.append(Fact("nearest", "", e.nearest.get(motion, 0), "nearest", motion))
    for seconds, place, (wide, high) in e.future:
        found += [Fact("future", "s", seconds, FUTURE), Fact("future", "place", place, FUTURE, seconds=seconds)]
        found += [Fact("future", "px", 2 * wide, "wide|across", seconds=seconds)]
        found += [Fact("future", "px", 2 * high, "high|down", seconds=seconds)]
    return found


def statements(e):
    """(field, pattern, whether it holds) of what a text may say without a number."""
    speed, depth = e.speed_change / LEAST["speed_change"], e.depth_change / LEAST["depth_change"]
    return [
        ("motion", r"\bunsure|uncertain|\bnot (sure|certain|confident)", e.certainty == "unsure"),
        ("motion", r"fairly (sure|certain|confident)", e.certainty == "fairly sure"),
        ("motion", r"(?<!not )(?<!fairly )\b(sure|certain|confident)\b", e.certainty == "sure"),
        ("speed_change", "faster", speed >= 1),
        ("speed_change", "slower", speed <= -1),
        ("speed_change", "speed hardly changes", abs(speed) < 1),
        ("turn", "straight", abs(e.turn) <= STRAIGHT),
        ("turn", r"\bclockwise", e.turn > STRAIGHT),
        ("turn", "counterclockwise", e.turn < -STRAIGHT),
        ("turnings", "no turning point", not e.turnings),
        ("depth_change", r"farther|\baway", depth >= 1),
        ("depth_change", r"nearer|closer|towards the camera", depth <= -1),
        ("depth_change", "distance from the camera hardly changes", abs(depth) < 1),
        ("look_passes", "not been tested", e.look_passes is None),
        ("look_passes", "map passes", e.look_passes is True),
        ("look_passes", "map fails", e.look_passes is False),
        ("ood", r"\bunlike the training", e.ood > OOD),
        ("ood", r"\blike the training", e.ood <= OOD),
    ]
