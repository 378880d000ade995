"""What `trajnb predict` does: many files, each with its table and annotated video; footage for a demonstration."""

import re
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import PIL.Image
from PIL import ImageDraw

from trajnb import ParameterError, files, predict, video
from trajnb.evaluation.predictions import REGION
from trajnb.predict import OOD, footage
from trajnb.progress import progress, write_line
from trajnb.world import recipes, renderer

PATH, FUTURE, WARNING = (0, 190, 255), (255, 110, 30), (255, 220, 60)
LEGEND = f"predicted positions and their {REGION:.0%} regions"
WIDTH = 480  # small footage is enlarged to about that
TICKS = 90_000  # a second: frames are shown at their own times


def predict_all(network, paths, rate, out, demo):
    """Predict all footage at `paths`, write the results into `out`, print a line for each; returns how many failed.

    Of each file: NAME.csv, a row for each window; NAME.json, the same; NAME.mp4, the footage with what was predicted.
    """
    todo, failed, written = [(str(one), one) for path in paths for one in sources(path)], 0, set()
    todo += demonstration(network.cfg).items() if demo else []
    with progress(len(todo), "predict", "file") as bar:
        for name, source in todo:
            shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in name)
            try:
                blocks = predict.cut(network.cfg, source, rate)
                table = predict.table(network, blocks)
            except (ValueError, OSError) as reason:
                failed += 1
                write_line(f"{shown}: {getattr(reason, 'strerror', None) or reason}")
            else:
                stem = re.sub(r"[^\w-]+", "_", Path(name).name)[:80]
                while stem in written:
                    stem += f"-{len(written)}"
                written.add(stem)
                files.write_csv(out / f"{stem}.csv", table)
                files.write_json(out / f"{stem}.json", table.to_dict("records"))
                write(out / f"{stem}.mp4", source, blocks, table, rate)
                count, flagged = len(table), int((table["ood_score"] > OOD).sum())
                each = ", ".join(f"{n} {motion}" for motion, n in table["motion"].value_counts().items())
                odd = f"; {flagged} unlike the training clips (ood_score above {OOD:g})" if flagged else ""
                text = f"{count} window{'s' * (count > 1)}: {each}{odd}"
                write_line(f"{shown}: {text}; written: {out / stem}.mp4, .csv, .json")
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


def write(path, source, blocks, table, rate):
    """Write the footage with path, class and predicted future as H.264 that browsers play; returns its path."""
    seconds_T = np.concatenate([block.seconds_T for block in blocks])
    with tempfile.TemporaryDirectory() as folder:  # an encoder leaves half a file where it is stopped
        with av.open(f"{folder}/video.mp4", "w", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=max(1, round(1 / float(np.median(np.diff(seconds_T))))))
            stream.codec_context.time_base = Fraction(1, TICKS)
            for seconds, picture in zip(seconds_T, pictures(source, blocks, table, rate), strict=True):
                if not stream.codec_context.is_open:
                    stream.width, stream.height, stream.pix_fmt = *(side // 2 * 2 for side in picture.size), "yuv420p"
                frame = av.VideoFrame.from_image(picture.crop((0, 0, stream.width, stream.height)))
                frame.pts, frame.time_base = round((seconds - seconds_T[0]) * TICKS), Fraction(1, TICKS)
                container.mux(stream.encode(frame))
            container.mux(stream.encode())
        return files.write_bytes(path, Path(folder, "video.mp4").read_bytes())


def pictures(source, blocks, table, rate=30.0):
    """Every frame as a picture, read once more; what is drawn in it is of the last window that has ended."""
    rows = iter(table.to_dict("records"))
    for block, (_, level_THW, share) in zip(blocks, footage.blocks(source, rate), strict=True):
        zoom, ended = max(1, WIDTH // level_THW.shape[2]), None
        ends = {window.rows_F[-1]: (window.path_Fx2, next(rows)) for window in block.windows}
        for k, level_HW in enumerate(level_THW):
            size = level_HW.shape[1] * zoom, level_HW.shape[0] * zoom
            picture = PIL.Image.fromarray(level_HW).resize(size, PIL.Image.Resampling.BICUBIC).convert("RGB")
            ended = ends.get(k, ended)
            if ended:
                draw(ImageDraw.Draw(picture), *ended, zoom, share)
            yield picture


def draw(canvas, path_Fx2, row, zoom, share):
    """One window's observed path, its predicted positions with their regions, and its class."""
    canvas.line([tuple(xy * zoom) for xy in path_Fx2], fill=PATH, width=2)
    for step in range(1, sum(name.startswith("rx") for name in row) + 1):
        x, y, rx, ry = (row[f"{name}{step}"] * zoom * share for name in ("x", "y", "rx", "ry"))
        canvas.ellipse((x - rx, y - ry, x + rx, y + ry), outline=FUTURE)
        canvas.ellipse((x - 2, y - 2, x + 2, y + 2), fill=FUTURE)
    text = f"{row['motion']} {row['p_' + row['motion']]:.2f}"
    text += "  (unlike the training clips)" if row["ood_score"] > OOD else ""
    canvas.text((6, 6), text, fill=WARNING, font_size=18, stroke_width=2, stroke_fill=(0, 0, 0))
    canvas.text((6, 28), LEGEND, fill=FUTURE, font_size=12, stroke_width=2, stroke_fill=(0, 0, 0))


def demonstration(cfg):
    """{name: footage (T, H, W) uint8}: a clip of each motion of the world, and a throw not drawn by our renderer."""
    seed = cfg.data_seed + 1
    table = recipes.draw(cfg, seed, np.arange(len(cfg.motions)))
    video_KTSS = renderer.render(cfg, seed, table, recipes.tracks(cfg, seed, table))
    return dict(zip(table["motion"], video_KTSS, strict=True)) | {"thrown_square": thrown_square()}


def thrown_square():
    """A throw (24, 240, 320) uint8 at 30 frames a second; the square has the world's size at 60 pixels to the metre."""
    rng, scene = np.random.default_rng(0), []
    wall = PIL.Image.fromarray(rng.integers(150, 220, (12, 16), np.uint8)).resize((320, 240))
    for time in np.arange(24) / 30:
        picture, x, y = wall.copy(), 60 + 60 * 1.5 * time, 150 - 60 * (3.0 * time - 0.5 * 9.81 * time**2)
        ImageDraw.Draw(picture).rectangle((x, y, x + 12, y + 12), fill=40)
        scene.append(np.asarray(picture))
    return np.stack(scene)
