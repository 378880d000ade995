"""How far texts follow from the records that they are about, writer by writer: rules, and language models of `llm`.

Command   .venv/bin/python benchmarks/explain.py RUN CLIPS [MODEL...]      quick 100 SmolLM2: half an hour
          MODEL: any that `llm models` lists; SmolLM2 by pip install 'trajnb[explain]', which compiles for half an hour

The best network of the run explains so many of its right predictions for test clips, and as many wrong ones where there
are so many. The last rows are a control: texts by rules, each checked against the record of another clip. A language
model that gives nothing supported in two attempts leaves the text to rules (`left to rules`); the sentences that it
wrote in vain count as its own, those by rules do not.
"""

import sys
import time

import numpy as np
import pandas as pd

from trajnb import data
from trajnb.evaluation import metrics
from trajnb.explain import evidence, language_model, words
from trajnb.explain.verify import CONTRADICTED, SUPPORTED, coverage, verify
from trajnb.predict import trained
from trajnb.progress import progress

MOST = 4000  # test clips among which they are sought


def texts(writer, records, others):
    """(sentences checked, why a model was left out or "", seconds) of each record."""
    with progress(len(records), writer, "text") as bar:
        for record, other in zip(records, others, strict=True):
            start = time.perf_counter()
            if writer.startswith("rules"):
                checked, why = verify(words.write(record), other), ""
            else:
                checked, why = language_model.write(record, writer)
            yield checked, why, time.perf_counter() - start
            bar.update()


def doubts(records, right_N):
    """How many of the right and of the wrong predictions are not called sure, with Wilson's 95 % interval."""
    doubtful_N, rows = np.array([record.certainty != "sure" for record in records]), {}
    for name, among_N in {"right": right_N, "wrong": ~right_N}.items():
        low, high = metrics.wilson(doubtful_N[among_N].sum(), among_N.sum())
        rows[name] = {"clips": among_N.sum(), "not sure": doubtful_N[among_N].mean(), "95 % from": low, "to": high}
    return pd.DataFrame(rows).T


def row(written):
    """Scores of what `texts` gives."""
    own, whys, seconds = zip(*written, strict=True)
    status = pd.Series([one.status for checked in own for one in checked], dtype=object)
    return {
        "texts": len(written),
        "left to rules": sum(map(bool, whys)),
        "sentences": len(status),
        "supported": (status == SUPPORTED).mean(),
        "contradicted": (status == CONTRADICTED).mean(),
        "fields covered": np.mean([coverage(checked) for checked in own]),
        "s per text": np.median(seconds),
    }


def main(run="quick", count="100", *models):
    """Print the table."""
    cfg = trained.config_of(run)
    network, test = evidence.Explainer(cfg), data.load(cfg, "test").spread(MOST)
    records = evidence.of_clips(network, test.render(np.arange(len(test))))
    right_N = np.array([one.motion for one in records]) == test.table["motion"].to_numpy()
    print(doubts(records, right_N).round(3).to_markdown(), end="\n\n")
    chosen = np.concatenate([np.flatnonzero(right_N)[: int(count)], np.flatnonzero(~right_N)[: int(count)]])
    records, right_N = [records[row] for row in chosen], right_N[chosen]
    rows, following = {}, records[1:] + records[:1]
    for writer in ("rules", *models, "rules, another clip's record"):
        written = list(texts(writer, records, following if "another" in writer else records))
        for name, among_N in {"right": right_N, "wrong": ~right_N}.items():
            if among_N.any():
                rows[writer, name] = row([one for one, among in zip(written, among_N, strict=True) if among])
        for checked, why, _ in written[:2]:
            print(f"{writer} {why}", *map(tuple, checked), sep="\n  ", file=sys.stderr)
    print(pd.DataFrame(rows).T.round(3).to_markdown())


if __name__ == "__main__":
    main(*sys.argv[1:])
