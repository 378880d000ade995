"""The default writer: a record in plain sentences, by rules alone."""

from trajnb.evaluation.predictions import REGION
from trajnb.explain.evidence import NEIGHBOURS
from trajnb.predict import OOD


def write(e, length="paragraph") -> list[str]:
    """The sentences of a text about an Evidence; `length`: sentence, paragraph or page."""
    verb, words = "are" if len(e.networks) > 1 else "is", e.in_words
    opinion = f"{listed(e.networks)} {verb} {e.certainty} that the motion is {e.motion}"
    probability, last = share(e.probability[e.motion]), e.future[-1]
    if length == "sentence":
        soon = f"in {last[0]:.2f} s it is expected at {pair(last[1])}"
        return [f"{opinion} ({probability}): the object moves {to(e.heading)}, and {soon}."]
    percent, other = max((percent, motion) for motion, percent in e.probability.items() if motion != e.motion)
    text = [f"{opinion}, with a probability of {probability}."]
    text.append(f"The next most probable motion is {other}, with {share(percent)}.")
    if len(e.networks) > 1:
        find = f"find{'s' * (e.votes == 1)} {e.motion} the most probable"
        text.append(f"{e.votes} of {len(e.networks)} networks {find}.")
    way = f"from {pair(e.path_px[0])} to {pair(e.path_px[-1])}, {to(e.heading)},"
    text.append(f"The object moves {way} in {e.seconds:.2f} s at a mean speed of {e.speed_px_s:.0f} px/s.")
    by = f"by {abs(e.turn):.0f} degrees in all"
    if words["turn"] == "straight":
        text.append(f"Its path is nearly straight: it turns {by}.")
    else:
        text.append(f"Its path turns {words['turn']} {by}, with a mean radius of {e.bend_px:.0f} px.")
    if length == "page":
        turnings = [f"It turns from {before} to {after} at {seconds:.2f} s." for seconds, before, after in e.turnings]
        text += turnings or ["It has no turning point."]
        change = f"At the end it is {abs(e.depth_change):.0f} % {words['depth_change']} than at the start."
        text.append(change if words["depth_change"] else "Its distance from the camera hardly changes.")
        ranked = sorted(e.nearest.items(), key=lambda item: -item[1])
        kinds = listed([f"{count} {'are' if count > 1 else 'is'} {motion}" for motion, count in ranked])
        distance = f"their mean distance is {e.nearest_px:.1f} px"
        text.append(f"Of the {NEIGHBOURS} nearest training paths {kinds}; {distance}.")
        text += map(expecting, e.future[:-1])
    text += [expecting(last), f"It is expected to move {to(e.future_heading)}."]
    looks = f"The class query looks most at {pair(e.look_px)} at {e.look_seconds:.2f} s"
    shares = f"{e.look_on_path:.0f} % of its attention is on the path, {e.look_even:.0f} % would be even"
    test = f"{'passes' if e.look_passes else 'fails'} the parameter-randomisation test"
    test = "has not been tested" if e.look_passes is None else test
    text += [f"{looks}; {shares}.", f"This attention map {test}."]
    score = f"its out-of-distribution score is {e.ood:.2f}, the limit is {OOD:g}"
    return [*text, f"The clip is {words['ood']} the training clips: {score}."]


def expecting(one):
    """The sentence about one of the places of a record's future."""
    seconds, place, (wide, high) = one
    region = f"its {100 * REGION:.0f} % region is {2 * wide:.0f} px wide and {2 * high:.0f} px high"
    return f"In {seconds:.2f} s the object is expected at {pair(place)}; {region}."


def listed(words):
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def to(way):
    return f"to the {way}" if way in ("left", "right") else way


def share(percent):
    return "over 99 %" if percent > 99 else "under 1 %" if percent < 1 else f"{percent:.0f} %"


def pair(xy):
    return f"({xy[0]:.0f}, {xy[1]:.0f}) px"
