"""What a leaderboard and its paired comparisons show, in at most three sentences.

The rule was fixed beforehand (README). One seed compares these trained networks, by McNemar's exact test after Holm's
correction. Three seeds or fewer state no order of architectures; more state what the comparison over seeds found.
"""

LEVEL = 0.05  # of tests, after Holm's correction
FEWEST_CLIPS = 1000  # a run with fewer clips, or tested on fewer, is a smoke run
NAMES = {"transformer": "Transformer", "i3d": "I3D", "slowfast": "SlowFast", "magvit": "MAGVIT"}
SCORES = {"top1": "accuracy", "ade_px": "ADE"}


def verdict(board, pairs, cfg):
    """At most three sentences on a leaderboard; `pairs`: its comparisons over clips or over seeds (pandas), or None."""
    networks = board[board["kind"] == "network"].set_index("model").sort_values("test_top1", ascending=False)
    best, more = networks.index[0], []
    if min(cfg.clips, cfg.test_clips) < FEWEST_CLIPS:
        sentence = f"A smoke run: {cfg.clips:,} clips show that the lab works and nothing else."
    elif pairs is None or not len(pairs) or len(networks) == 1:
        sentence = "The networks were not compared pair by pair: none is called better."
    elif "verdict" in pairs:
        sentence, *more = over_seeds(pairs)
    else:
        best, sentence = over_clips(networks, pairs)
        more = ["One training run of each compares these networks, not their architectures."]
    return [sentence, level(best, board), *more]


def level(model, board):
    """A sentence on a network beside the best control, the pixel oracle and constant velocity."""
    rows = board.set_index("model")
    row, controls = rows.loc[model], rows.loc[rows["kind"] == "control", "test_top1"].nlargest(1)
    text = f"{name(model)} has accuracy {row.test_top1:.3f} (95 % interval {row.test_top1_low:.3f} to "
    text += f"{row.test_top1_high:.3f}), the pixel oracle {rows.test_top1['pixel_oracle']:.3f}"
    for control, top1 in controls.items():
        below = "" if row.test_top1_low > top1 else ", which is not shown to be worse"
        text += f", the best control ({control.replace('_', ' ')}) {top1:.3f}{below}"
    velocity_px = rows.ade_px["constant_velocity"]
    return f"{text}; its ADE is {row.ade_px:.2f} px, that of constant velocity {velocity_px:.2f} px."


def over_clips(networks, pairs):
    """(best network, sentence) of one seed: by accuracy, then by ADE among those that do not differ in accuracy."""
    best, second = networks.index[:2]
    top1_p = p_values(best, networks.index[1:], pairs, "top1_p")
    equal = [model for model, p in top1_p.items() if p >= LEVEL]
    if not equal:
        scores = f"{networks.test_top1[best]:.3f} against {networks.test_top1[second]:.3f} of {name(second)}"
        return best, f"{name(best)} has the highest accuracy, {scores} ({shown(max(top1_p.values()))})."
    group = networks.loc[[best, *equal]].sort_values("ade_px")
    nearest, ade_p = group.index[0], p_values(group.index[0], group.index[1:], pairs, "ade_p")
    names, least = ", ".join(sorted(map(name, group.index))), shown(min(top1_p[model] for model in equal))
    same = f"{names} are not shown to differ in accuracy ({least})"
    if max(ade_p.values()) >= LEVEL:
        return best, f"No network is shown to be best: {same}, nor all of them in ADE ({shown(max(ade_p.values()))})."
    errors = f"{group.ade_px.iloc[0]:.2f} px against {group.ade_px.iloc[1]:.2f} px of {name(group.index[1])}"
    return nearest, f"{name(nearest)} has the smallest ADE, {errors} ({shown(max(ade_p.values()))}): {same}."


def over_seeds(pairs):
    """One sentence for each score of several seeds, or a single one where they are too few to state an order."""
    seeds = f"{pairs['seeds'].min():.0f} training runs of each"
    if pairs["verdict"].str.startswith("not ranked").any():
        return [f"No order of architectures is stated: {seeds} show a spread and cannot rank them."]
    sentences = []
    for score, part in pairs.groupby("score", sort=False):
        winners = [getattr(pair, pair.verdict) for pair in part.itertuples() if pair.verdict in ("first", "second")]
        best = max(winners, key=winners.count, default=None)
        if winners.count(best) == len({*part["first"], *part["second"]}) - 1:
            sentences.append(f"{name(best)} is better in {SCORES[score]} than every other architecture ({seeds}).")
        else:
            sentences.append(f"No architecture is shown to be better in {SCORES[score]} than all others ({seeds}).")
    return sentences


def p_values(model, others, pairs, column):
    """{other: corrected p-value of its pair with a model}, whichever of the two stands first."""
    found = {frozenset(pair): p for *pair, p in pairs[["first", "second", column]].itertuples(index=False)}
    return {other: found[frozenset([model, other])] for other in others}


def name(model):
    """A network's name as its paper writes it."""
    return NAMES.get(model, model)


def shown(p):
    """A p-value in words."""
    return "p < 0.0001 after Holm's correction" if p < 1e-4 else f"p = {p:.2g} after Holm's correction"
