"""The default writer: a record in plain sentences, by rules alone."""

from trajnb.explain.evidence import LEAST, NEIGHBOURS, STRAIGHT, direction
from trajnb.predict import OOD, REGION

LENGTHS = ("sentence", "paragraph", "page")


def write(e, length="paragraph") -> list[str]:
    """The sentences of a text about an Evidence; `length`: sentence, paragraph or page."""
    if length == "sentence":
        return [summary(e)]
    text = [verdict(e), *alternatives(e), moving(e), turning(e)]
    if length == "page":
        text += [*reversing(e), change(e.speed_change, LEAST["speed_change"], "faster", "slower", "speed")]
        text += [change(e.depth_change, LEAST["depth_change"], "farther away", "nearer", "distance from the camera")]
        text += [alike(e), off(e), *map(expecting, e.future[:-1])]
    going = f"It is expected to move {to(e.future_heading)}."
    return [*text, expecting(e.future[-1]), going, *looking(e), trust(e)]


def summary(e):
    moves = f"the object moves {to(e.heading)}, and in {e.future[-1].seconds:.2f} s it is expected at"
    return f"{opinion(e)} ({share(e.probability[e.motion])}): {moves} {pair(e.future[-1].place_px)}."


def verdict(e):
    return f"{opinion(e)}, with a probability of {share(e.probability[e.motion])}."


def opinion(e):
    names = " and ".join(filter(None, [", ".join(e.networks[:-1]), e.networks[-1]]))
    return f"{names} {'are' if len(e.networks) > 1 else 'is'} {e.certainty} that the motion is {e.motion}"


def alternatives(e):
    percent, motion = max((percent, motion) for motion, percent in e.probability.items() if motion != e.motion)
    yield f"The next most probable motion is {motion}, with {share(percent)}."
    if len(e.networks) > 1:
        yield f"{e.votes} of {len(e.networks)} networks find {e.motion} the most probable."


def moving(e):
    way = f"from {pair(e.path_px[0])} to {pair(e.path_px[-1])}, {to(e.heading)},"
    return f"The object moves {way} in {e.seconds:.2f} s at a mean speed of {e.speed_px_s:.0f} px/s."


def turning(e):
    if abs(e.turn) <= STRAIGHT:
        return f"Its path is nearly straight: it turns by {abs(e.turn):.0f} degrees in all."
    way = "clockwise" if e.turn > 0 else "counterclockwise"
    return f"Its path turns {way} by {abs(e.turn):.0f} degrees in all, with a mean radius of {e.bend_px:.0f} px."


def reversing(e):
    yield from (f"It turns from {one.before} to {one.after} at {one.seconds:.2f} s." for one in e.turnings)
    if not e.turnings:
        yield "It has no turning point."


def change(percent, least, more, less, what):
    if abs(percent) < least:
        return f"Its {what} hardly changes."
    return f"At the end it is {abs(percent):.0f} % {more if percent > 0 else less} than at the start."


def alike(e):
    ranked = sorted(e.nearest.items(), key=lambda item: -item[1])
    kinds = " and ".join(f"{count} {'are' if count > 1 else 'is'} {motion}" for motion, count in ranked)
    return f"Of the {NEIGHBOURS} nearest training paths {kinds}; their mean distance is {e.nearest_px:.1f} px."


def off(e):
    return f"The estimated path is {e.path_off_px:.1f} px off the spot measured in the frames."


def expecting(one):
    wide, high = (f"{2 * half:.0f} px" for half in one.half_px)
    region = f"its {100 * REGION:.0f} % region is {wide} wide and {high} high"
    return f"In {one.seconds:.2f} s the object is expected at {pair(one.place_px)}; {region}."


def looking(e):
    where, share = f"most at {pair(e.look_px)} at {e.look_seconds:.2f} s", f"{e.look_on_path:.0f} %"
    yield f"The class query looks {where}; {share} of its attention is on the path, {e.look_even:.0f} % would be even."
    if e.look_passes is None:
        yield "This attention map has not been tested."
    else:
        yield f"This attention map {'passes' if e.look_passes else 'fails'} the parameter-randomisation test."


def trust(e):
    word = "unlike" if e.ood > OOD else "like"
    return f"The clip is {word} the training clips: its out-of-distribution score is {e.ood:.2f}, the limit is {OOD:g}."


def to(degrees):
    way = direction(degrees)
    return f"to the {way}" if way in ("left", "right") else way


def share(percent):
    return "over 99 %" if percent > 99 else "under 1 %" if percent < 1 else f"{percent:.0f} %"


def pair(xy):
    return f"({xy[0]:.0f}, {xy[1]:.0f}) px"
