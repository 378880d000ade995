"""The default writer: a record in plain sentences, by rules alone."""

from trajnb.evaluation.predictions import REGION
from trajnb.explain.evidence import LEAST, NEIGHBOURS, STRAIGHT
from trajnb.predict import OOD

LENGTHS = ("sentence", "paragraph", "page")


def write(e, length="paragraph") -> list[str]:
    """The sentences of a text about an Evidence; `length`: sentence, paragraph or page."""
    verb = "are" if len(e.networks) > 1 else "is"
    opinion = f"{listed(e.networks)} {verb} {e.certainty} that the motion is {e.motion}"
    probability, last = share(e.probability[e.motion]), e.future[-1]
    if length == "sentence":
        soon = f"in {last[0]:.2f} s it is expected at {pair(last[1])}"
        return [f"{opinion} ({probability}): the object moves {to(e.heading)}, and {soon}."]
    text = [f"{opinion}, with a probability of {probability}.", *about_class(e), *about_path(e)]
    text += [*about_change(e), *map(expecting, e.future[:-1])] if length == "page" else []
    return [*text, expecting(last), f"It is expected to move {to(e.future_heading)}.", *about_trust(e)]


def about_class(e):
    percent, motion = max((percent, motion) for motion, percent in e.probability.items() if motion != e.motion)
    yield f"The next most probable motion is {motion}, with {share(percent)}."
    if len(e.networks) > 1:
        find = f"find{'s' * (e.votes == 1)} {e.motion} the most probable"
        yield f"{e.votes} of {len(e.networks)} networks {find}."


def about_path(e):
    way = f"from {pair(e.path_px[0])} to {pair(e.path_px[-1])}, {to(e.heading)},"
    yield f"The object moves {way} in {e.seconds:.2f} s at a mean speed of {e.speed_px_s:.0f} px/s."
    yield f"This path, as estimated, is {e.path_off_px:.1f} px off the spot measured in the frames."
    by, way = f"by {abs(e.turn):.0f} degrees in all", "clockwise" if e.turn > 0 else "counterclockwise"
    if abs(e.turn) <= STRAIGHT:
        yield f"Its path is nearly straight: it turns {by}."
    else:
        yield f"Its path turns {way} {by}, with a mean radius of {e.bend_px:.0f} px."


def about_change(e):
    yield from (f"It turns from {before} to {after} at {seconds:.2f} s." for seconds, before, after in e.turnings)
    if not e.turnings:
        yield "It has no turning point."
    more = {"speed_change": ("faster", "slower", "speed")}
    more["depth_change"] = "farther away", "nearer", "distance from the camera"
    for field, words in more.items():
        percent, word = abs(getattr(e, field)), words[getattr(e, field) < 0]
        text = f"At the end it is {percent:.0f} % {word} than at the start."
        yield text if percent >= LEAST[field] else f"Its {words[2]} hardly changes."
    ranked = sorted(e.nearest.items(), key=lambda item: -item[1])
    kinds = [f"{count} {'are' if count > 1 else 'is'} {motion}" for motion, count in ranked]
    yield f"Of the {NEIGHBOURS} nearest training paths {listed(kinds)}; their mean distance is {e.nearest_px:.1f} px."


def about_trust(e):
    where, share = f"most at {pair(e.look_px)} at {e.look_seconds:.2f} s", f"{e.look_on_path:.0f} %"
    yield f"The class query looks {where}; {share} of its attention is on the path, {e.look_even:.0f} % would be even."
    test = {None: "has not been tested", True: "passes the parameter-randomisation test"}
    yield f"This attention map {test.get(e.look_passes, 'fails the parameter-randomisation test')}."
    word = "unlike" if e.ood > OOD else "like"
    yield f"The clip is {word} the training clips: its out-of-distribution score is {e.ood:.2f}, the limit is {OOD:g}."


def expecting(one):
    seconds, place, half = one
    wide, high = (f"{2 * px:.0f} px" for px in half)
    region = f"its {100 * REGION:.0f} % region is {wide} wide and {high} high"
    return f"In {seconds:.2f} s the object is expected at {pair(place)}; {region}."


def listed(words):
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def to(way):
    return f"to the {way}" if way in ("left", "right") else way


def share(percent):
    return "over 99 %" if percent > 99 else "under 1 %" if percent < 1 else f"{percent:.0f} %"


def pair(xy):
    return f"({xy[0]:.0f}, {xy[1]:.0f}) px"
