"""Many files: what `trajnb predict` does."""

import re
from pathlib import Path

from trajnb import ParameterError, files, predict
from trajnb.predict import annotate, footage
from trajnb.progress import progress, say


def predict_all(paths, run, model, rate, out, demo):
    """Predict all footage at `paths`, write the results into `out`, print a line for each; returns how many failed.

    Of each file: NAME.csv, a row for each window; NAME.json, the same; NAME.mp4, the footage with what was predicted.
    """
    todo, failed, written = [(str(one), one) for path in paths for one in sources(path)], 0, set()
    network = predict.load(run, model)
    todo += annotate.demonstration(network.cfg).items() if demo else []
    with progress(len(todo), "predict", "file") as bar:
        for name, source in todo:
            shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
            try:
                result = predict.predict(source, network, rate=rate)
            except (ValueError, OSError) as reason:
                failed += 1
                say(f"{shown}: {getattr(reason, 'strerror', None) or reason}")
            else:
                where = save(result, out / unused(Path(name).name, written))
                say(f"{shown}: {sentence(result)}; written: {where}")
            bar.update()
    return failed


def sources(path):
    """The files to predict at a path: itself if it is a file or a folder of pictures, else what lies in the folder."""
    if not path.exists():
        raise ParameterError(f"{path} does not exist: write the path of a video or of a folder.")
    inside = sorted(p for p in path.iterdir() if p.name[0] != ".") if path.is_dir() else []
    return inside if inside and not any(p.suffix.lower() in footage.PICTURES for p in inside) else [path]


def unused(name, written):
    """A plain file name for results that no other result has."""
    stem = plain = re.sub(r"[^\w-]+", "_", name)[:80]
    while stem in written:
        stem = f"{plain}-{len(written)}"
    written.add(stem)
    return stem


def save(result, path):
    """Write a Result as path.csv, path.json and path.mp4; returns the last one's path."""
    files.write_csv(path.with_suffix(".csv"), result.table)
    files.write_json(path.with_suffix(".json"), result.table.to_dict("records"))
    return annotate.write(path.with_suffix(".mp4"), result)


def sentence(result):
    """Windows, and how many of each motion, the most frequent first."""
    counts = result.table["motion"].value_counts()
    odd = int((result.table["unlike_training"] > predict.UNLIKE).sum())
    count = len(result.table)
    text = f"{count} window{'s' if count > 1 else ''}: {', '.join(f'{n} {motion}' for motion, n in counts.items())}"
    return text + (f"; {odd} unlike the training clips" if odd else "")
