"""Foreign footage: physics by pymunk, drawn by Pillow, encoded by PyAV; what a run's network predicts for it.

Command   make .venv/foreign/.ready        installs pymunk, the exact version of tests/foreign.lock
          PYTHONPATH=.venv/foreign .venv/bin/python benchmarks/foreign.py [VIDEOS] [RUN] [MODEL] [FOLDER]
          without any: 96 quick best, in a temporary folder; eight minutes on one core beside other work

Nothing of the lab's world draws or moves anything here. The scene is as the lab's in metres: an object about 0.2 m
wide, at a constant velocity, thrown (9.81 m/s2), on a circle, or pushed at random; its shape, colours, wall, noise,
size in the picture, frame rate, codec and length vary from video to video. Printed: accuracy of the first window,
errors of the five predicted positions in object radii beside those of constant velocity, and what was refused; of a
run with several seeds the means over them. `make results` takes the table along.
"""

import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pymunk
import results
from PIL import Image, ImageDraw, ImageFilter

from trajnb import predict
from trajnb.evaluation import metrics
from trajnb.predict import trained

MOTIONS = ("linear", "parabolic", "circular", "random")
VARIED = {
    "shape": ("disc", "square", "triangle", "star"),
    "wall": ("dark", "bright", "gradient", "blotches"),
    "codec": ("h264 mp4", "mpeg4 avi", "vp9 webm", "gif"),
    "rate": (24, 25, 30, 50, 60),
    "radius": (6, 10, 16),
    "noise": (0, 3, 8),
    "size": ((320, 240), (640, 360), (360, 640)),
}
COLUMNS = ("correct", "predicted", "error", "constant_velocity", "flagged", "refused")
PER_METRE = 10.0  # radii
STEP = 1 / 300  # seconds of simulated physics
WANDER, PUSHES = 0.1, 30  # correlation time of a random motion's velocity, s; pushes a second


def drawn(rng):
    """The conditions of one video; a gif holds hundredths of a second alone."""
    scene = {name: values[rng.integers(len(values))] for name, values in VARIED.items()}
    return scene | {"rate": 50 if scene["rate"] > 30 else 25} if scene["codec"] == "gif" else scene


def simulate(motion, scene, seconds, rng):
    """Positions (F, 2) of the object in pixels at the frames, by pymunk; in the picture for the first half second."""
    metre = PER_METRE * scene["radius"]
    for _ in range(1000):
        space, body = pymunk.Space(), pymunk.Body(1, pymunk.moment_for_circle(1, 0, 0.1))
        space.gravity = (0, 9.81 if motion == "parabolic" else 0)
        space.add(body, pymunk.Circle(body, 0.1))
        angle, speed = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 3.0)
        body.position, body.velocity = (0, 0), (speed * np.cos(angle), speed * np.sin(angle))
        if motion == "circular":
            arm, sweep = rng.uniform(0.25, 0.7), np.radians(rng.uniform(150, 380)) * rng.choice([-1, 1])
            hub = pymunk.Body(body_type=pymunk.Body.STATIC)
            hub.position = (arm * np.sin(angle), -arm * np.cos(angle))
            speed = sweep / 0.5 * arm
            body.velocity = (speed * np.cos(angle), speed * np.sin(angle))
            space.add(hub, pymunk.PinJoint(body, hub))
        uv_Fx2 = metre * run(space, body, motion, speed, scene["rate"], seconds, rng)
        half = uv_Fx2[: round(0.55 * scene["rate"]) + 1]
        room = np.array(scene["size"]) - 4 * scene["radius"] - np.ptp(half, axis=0)
        extent = np.ptp(half, axis=0).max() / scene["radius"]
        if (room > 0).all() and 7 < extent < 18:
            return uv_Fx2 - half.min(axis=0) + 2 * scene["radius"] + rng.uniform(0, 1, 2) * room
    raise ValueError(f"no {motion} path fits {scene}")


def run(space, body, motion, speed, rate, seconds, rng):
    """Positions (F, 2) in metres at `rate` frames a second; a random motion is pushed, another is left alone."""
    found, push = [], speed * np.sqrt(1 - np.exp(-2 / (PUSHES * WANDER)))
    for k in range(round(seconds / STEP)):
        if k * STEP * rate >= len(found):
            found.append(body.position)
        if motion == "random" and k % round(1 / (PUSHES * STEP)) == 0:
            kept = np.exp(-1 / (PUSHES * WANDER)) * np.array(body.velocity)
            body.velocity = tuple(kept + push * rng.normal(size=2) / 2**0.5)
        space.step(STEP)
    return np.array(found)


def picture(wall, scene, colour, centre):
    """One frame: the shape, twice as large and then reduced, on the wall."""
    zoom, r = 2, scene["radius"]
    corners = {"square": 4, "triangle": 3, "star": 10}.get(scene["shape"], 60)
    angle_K = np.arange(corners) * 2 * np.pi / corners - np.pi / 2
    reach_K = r * (np.where(np.arange(corners) % 2, 0.45, 1.0) if scene["shape"] == "star" else np.ones(corners))
    points = zoom * (np.array(centre) + reach_K[:, None] * np.stack([np.cos(angle_K), np.sin(angle_K)], axis=1))
    mask = Image.new("L", [zoom * side for side in scene["size"]])
    ImageDraw.Draw(mask).polygon([tuple(point) for point in points], fill=255)
    frame = wall.copy()
    frame.paste(colour, mask=mask.resize(scene["size"], Image.Resampling.BOX))
    return frame


def wall_of(scene, rng):
    """(picture of the wall, a colour that differs from it)."""
    width, height = scene["size"]
    tint = rng.uniform(0.7, 1.0, 3)
    if scene["wall"] == "gradient":
        level = np.linspace(40, 110, width)[None].repeat(height, 0)
    elif scene["wall"] == "blotches":
        grain = Image.fromarray(rng.integers(0, 255, (height // 20, width // 20), np.uint8)).resize((width, height))
        level = 60 + 0.35 * np.asarray(grain.filter(ImageFilter.GaussianBlur(4)), float)
    else:
        level = np.full((height, width), 45.0 if scene["wall"] == "dark" else 205.0)
    colour = rng.integers(5, 60, 3) if scene["wall"] == "bright" else rng.integers(190, 250, 3)
    return Image.fromarray((level[..., None] * tint).astype(np.uint8)), tuple(int(x) for x in colour)


def film(path, motion, scene, seconds, rng):
    """Write one video; returns the true positions (F, 2) in pixels."""
    uv_Fx2, (wall, colour) = simulate(motion, scene, seconds, rng), wall_of(scene, rng)
    frames = [np.asarray(picture(wall, scene, colour, centre), float) for centre in uv_Fx2]
    noisy = [np.clip(one + rng.normal(0, scene["noise"], one.shape), 0, 255).astype(np.uint8) for one in frames]
    if path.suffix == ".gif":
        first, *rest = map(Image.fromarray, noisy)
        first.save(path, save_all=True, append_images=rest, duration=1000 / scene["rate"], loop=0)
        return uv_Fx2
    with av.open(str(path), "w") as container:
        codec = {"h264": "libx264", "mpeg4": "mpeg4", "vp9": "libvpx-vp9"}[scene["codec"].split()[0]]
        stream = container.add_stream(codec, rate=scene["rate"])
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = *scene["size"], "yuv420p", 2_000_000
        for one in noisy:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(one, format="rgb24")))
        container.mux(stream.encode())
    return uv_Fx2


def judged(networks, path, motion, scene, uv_Fx2):
    """A row for each seed's network: its prediction for the first window, errors in radii, or why there is none."""
    row = {"motion": motion, **scene, "size": "x".join(map(str, scene["size"]))}
    try:
        blocks = predict.cut(next(iter(networks.values())).cfg, path)
    except ValueError as reason:
        return [row | {"refused": str(reason).split(":")[0], "seed": seed} for seed in networks]
    firsts = {seed: predict.table(network, blocks).iloc[0] for seed, network in networks.items()}
    return [row | {"seed": seed} | compared(first, scene, motion, uv_Fx2) for seed, first in firsts.items()]


def compared(first, scene, motion, uv_Fx2):
    """One prediction against the true path (F, 2), beside a constant velocity from the true last step."""
    time_F, steps = np.arange(len(uv_Fx2)) / scene["rate"], range(1, sum(name[:2] == "rx" for name in first.index) + 1)
    future = np.array([[np.interp(first[f"seconds{k}"], time_F, axis_F) for axis_F in uv_Fx2.T] for k in steps])
    inside = np.array([first[f"seconds{k}"] <= time_F[-1] for k in steps])
    predicted = np.array([[first[f"x{k}"], first[f"y{k}"]] for k in steps])
    last = np.array([np.interp(first["end_s"] - back, time_F, axis_F) for axis_F in uv_Fx2.T for back in (0, 1 / 30)])
    step = (last[[0, 2]] - last[[1, 3]]) * 30 * (first["seconds1"] - first["end_s"])
    forecast = last[[0, 2]] + step * np.arange(1, len(future) + 1)[:, None]
    error, other = (
        np.linalg.norm(one - future, axis=1)[inside].mean() / scene["radius"] for one in (predicted, forecast)
    )
    row = {"correct": first["motion"] == motion, "predicted": first["motion"], "error": error}
    return row | {"constant_velocity": other, "flagged": first["ood_score"] > predict.OOD}


def summary(rows, by):
    """A table by one condition: means over videos and seeds; the interval is Wilson's, for so many videos."""
    lines = {}
    for value, part in rows.groupby(by):
        answered, seeds = part[part["refused"].isna()].infer_objects(), rows["seed"].nunique()
        each = answered.groupby("seed")["correct"].mean()
        low, high = metrics.wilson(round(answered["correct"].sum() / seeds), max(len(answered) // seeds, 1))
        lines[value] = {"videos": len(part) // seeds, "answered": len(answered) // seeds, "accuracy": each.mean()}
        lines[value] |= {"sd of seeds": each.std(), "from": low, "to": high, "error": answered["error"].mean()}
        lines[value] |= {
            "constant velocity": answered["constant_velocity"].mean(),
            "flagged": answered["flagged"].mean(),
        }
    return pd.DataFrame(lines).T.rename_axis(by).round(3)


def main(videos="96", run_name="quick", model="best", folder=None):
    cfg, rows = trained.config_of(run_name), []
    networks = {cfg.seed + k: trained.load(cfg.replace(seed=cfg.seed + k), model) for k in range(cfg.seeds)}
    with tempfile.TemporaryDirectory() as temporary:
        where = Path(folder or temporary)
        where.mkdir(parents=True, exist_ok=True)
        for k in range(int(videos)):
            rng = np.random.default_rng(k)
            motion, scene = MOTIONS[k % len(MOTIONS)], drawn(rng)
            path = where / f"{k:04d}-{motion}.{scene['codec'].split()[-1]}"
            uv_Fx2 = film(path, motion, scene, rng.uniform(0.85, 1.4), rng)
            rows += judged(networks, path, motion, scene, uv_Fx2)
    rows = pd.DataFrame(rows, columns=["motion", *VARIED, *COLUMNS, "seed"])
    tables = {by: summary(rows, by) for by in ("motion", *VARIED)} | {"all": summary(rows.assign(all="videos"), "all")}
    for table in tables.values():
        print(table.to_string(), end="\n\n")
    table = pd.concat(tables, names=["condition", "value"]).reset_index("value")
    results.save(f"foreign-{run_name}", table, f"python benchmarks/foreign.py {videos} {run_name} {model}")
    print(pd.crosstab(rows["motion"], rows["predicted"].fillna("refused")).to_string(), end="\n\n")
    print(rows["refused"].value_counts().to_string())


if __name__ == "__main__":
    main(*sys.argv[1:])
