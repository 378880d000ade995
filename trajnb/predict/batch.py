"""Many files: what `trajnb predict` does."""

import re
from pathlib import Path

from trajnb import ParameterError, files, predict, video
from trajnb.predict import annotate, footage
from trajnb.progress import progress, write_line


def predict_all(network, paths, rate, out, demo):
    """Predict all footage at `paths`, write the results into `out`, print a line for each; returns how many failed.

    Of each file: NAME.csv, a row for each window; NAME.json, the same; NAME.mp4, the footage with what was predicted.
    """
    todo, failed, written = [(str(one), one) for path in paths for one in sources(path)], 0, set()
    todo += annotate.demonstration(network.cfg).items() if demo else []
    with progress(len(todo), "predict", "file") as bar:
        for name, source in todo:
            shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
            try:
                result = predict.of_footage(network, source, rate)
            except (ValueError, OSError) as reason:
                failed += 1
                write_line(f"{shown}: {getattr(reason, 'strerror', None) or reason}")
            else:
                stem = plain = re.sub(r"[^\w-]+", "_", Path(name).name)[:80]
                while stem in written:
                    stem = f"{plain}-{len(written)}"
                written.add(stem)
                where = save(source, result, rate, out / stem)
                write_line(f"{shown}: {sentence(result)}; written: {where}")
            bar.update()
    return failed


def sources(path):
    """What to predict at a path: itself if it is a file or a folder of pictures alone, else all that lies in it."""
    if not path.exists():
        raise ParameterError(f"{path} does not exist: write the path of a video or of a folder.")
    inside = sorted(p for p in path.iterdir() if p.name[0] != ".") if path.is_dir() else []
    suffixes = {p.suffix.lower() for p in inside}
    footages = suffixes & {*video.SUFFIXES, ".npy"} or not suffixes & {*footage.PICTURES}
    return inside if inside and footages else [path]


def save(source, result, rate, path):
    """Write a Result as path.mp4, path.csv and path.json; returns their names."""
    files.write_csv(path.with_suffix(".csv"), result.table)
    files.write_json(path.with_suffix(".json"), result.table.to_dict("records"))
    annotate.write(path.with_suffix(".mp4"), source, result, rate)
    return f"{path}.mp4, .csv, .json"


def sentence(result):
    """Windows, and how many of each motion, the most frequent first."""
    counts, flagged = result.table["motion"].value_counts(), int((result.table["ood_score"] > predict.OOD).sum())
    motions = ", ".join(f"{count} {motion}" for motion, count in counts.items())
    text = f"{len(result.table)} window{'s' * (len(result.table) > 1)}: {motions}"
    return text + (f"; {flagged} unlike the training clips (ood_score above {predict.OOD:g})" if flagged else "")
