"""One training loop for all extractors: read it from top to bottom."""

import functools
import math
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F

from trajnb import config, data, files
from trajnb.models import trained
from trajnb.progress import progress, write_line
from trajnb.training import checkpoints, optimizers
from trajnb.training.augment import augment, draw
from trajnb.training.graph import Replayed
from trajnb.training.losses import as_target, position_nll, training_loss

PLANNED = 250  # steps whose random numbers are drawn at once: an epoch of a million clips has 20,000
BATCH = 16  # clips predicted at once; of 50 a CPU's caches hold less: Transformer 175 clips/s at 50, 213 at 16
GPU_PIXELS = 500 * 16 * 64**2  # smaller batches would keep a GPU waiting for the host
LINE = "epoch {epoch:3d}/{epochs}  train {train_loss:7.4f}  top-1 {train_top1:.4f}  |  val {val_loss:7.4f}  "
LINE += "top-1 {val_top1:.4f}  ADE {val_ade_px:5.2f} px  |  {seconds:.1f} s  {clips_per_second:.0f} clips/s"


def fit(net, train_set, val_set, cfg, stage_dir) -> list[dict]:
    """Train `net`, or resume from the newest whole checkpoint; returns the history, one row per epoch.

    Leaves checkpoints/, final.safetensors and history.csv in `stage_dir`. Cut at any moment and called again with the
    same arguments, it ends with the same weights and history (but for times): bit for bit on the same processor with
    as many threads, within rounding on a GPU. `seconds` and `clips_per_second` leave validation out.
    Raises FloatingPointError, before it would be saved, when a loss is not finite; ValueError when the checkpoint was
    trained with other parameters or clips; KeyboardInterrupt, after a checkpoint, on SIGINT and SIGTERM.
    """
    stage_dir, device = Path(stage_dir), prepare(cfg)
    # Before the optimizer is built: its states are made where the weights lie.
    net.to(device)
    train_set, val_set = data.in_memory(train_set, device), data.in_memory(val_set, device)
    optimizer = optimizers.build(net, cfg.lr, cfg.weight_decay)
    clips = {"training clips": checkpoints.data_hash(train_set), "validation clips": checkpoints.data_hash(val_set)}
    moving = cfg.model_dump(mode="json", include=config.AFFECTS["train"] - {"seeds"})  # what moves a weight
    keeper = checkpoints.Checkpoints(stage_dir, net, optimizer, cfg, trained.identity(cfg) | moving | clips)
    state, batch = keeper.restore(), min(cfg.batch_size, len(train_set))
    steps = len(train_set) // batch  # the clips that fill no batch are left out: in another epoch, others
    step = Replayed(functools.partial(train_step, net, optimizer, cfg))
    done = len(state.history) * steps + state.step

    with progress(cfg.epochs * steps, cfg.model, "step", done) as bar, Interrupts() as interrupts:
        for epoch in range(len(state.history), cfg.epochs):
            # train: one pass in an order that depends on seed and epoch alone, from the step where it was cut
            start = time.perf_counter() - state.seconds
            rows_KB = order(cfg.seed, epoch, len(train_set), batch)
            net.train()  # validation has left it in eval mode
            seed_torch(cfg, epoch, state)
            for inputs in planned(cfg, epoch, train_set, rows_KB, state.step, device):
                loss, correct = step(*inputs)
                state.losses.append(loss)
                state.correct.append(correct)
                state.step, state.seconds = state.step + 1, time.perf_counter() - start
                bar.set_postfix(epoch=epoch + 1, clips_per_second=state.step * batch / state.seconds, refresh=False)
                bar.update()
                if time.monotonic() - keeper.last > cfg.checkpoint_seconds or interrupts.requested:
                    # The loss of a step says nothing of the weights after it; their sum is finite if they all are.
                    weights = torch.stack([weight.detach().float().sum() for weight in net.parameters()]).sum()
                    refuse_nonfinite([*state.losses, weights], epoch, epoch * steps, cfg)
                    keeper.save(state)
                    interrupts.obey()
            refuse_nonfinite(state.losses, epoch, epoch * steps, cfg)
            seconds = time.perf_counter() - start

            # evaluate: every validation clip, nothing moved
            scores = validate(net, val_set, cfg)
            refuse_nonfinite([torch.tensor(scores["val_loss"])], epoch, (epoch + 1) * steps - 1, cfg)

            # record: one row per epoch; the checkpoint before the file that describes it
            row = record(state, epoch, steps, batch, cfg, scores, seconds)
            state = checkpoints.TrainState([*state.history, row])
            keeper.save(state)
            files.write_csv(stage_dir / "history.csv", pd.DataFrame(state.history))
            write_line(LINE.format(epochs=cfg.epochs, **row))
            interrupts.obey()

    files.write_csv(stage_dir / "history.csv", pd.DataFrame(state.history))  # a run cut after its last checkpoint
    trained.save(stage_dir / trained.FILE, net, cfg)
    return state.history


def train_step(net, optimizer, cfg, video, label, track, mirror, shift, factor, lr):
    """One step on tensors of one device: a Batch, its draws, the learning rate; returns loss and share correct."""
    # No number is read back: the host would wait for a GPU in every step.
    video, track = augment(video, track, (mirror, shift, factor))
    output, aux = net(video)
    loss = training_loss(output, aux, label, track, cfg)
    # None, not zero: a recorded step then writes its gradients instead of adding to old ones.
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), cfg.grad_clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    return loss.detach(), (output.logits_BK.detach().argmax(1) == label).float().mean()


def prepare(cfg) -> torch.device:
    """Process-wide settings, and the device."""
    torch.set_flush_denormal(True)  # subnormal numbers cost a factor of 2 to 3 on a CPU
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    return trained.device(cfg)


def planned(cfg, epoch: int, train_set, rows_KB, first: int, device):
    """What each step of an epoch from `first` on is called with: a Batch, its draws, the learning rate."""
    for start in range(first, len(rows_KB), PLANNED):
        these = range(start, min(start + PLANNED, len(rows_KB)))
        draws, lr_K = plan(cfg, epoch, these, *rows_KB.shape, device)
        for k, clips in enumerate(data.batches(train_set, rows_KB[these.start : these.stop], device)):
            yield *clips, *(drawn[k] for drawn in draws), lr_K[k]


def plan(cfg, epoch: int, these: range, steps: int, batch: int, device):
    """Draws and learning rates (K,) of these steps of an epoch, on `device`: copied one by one, a GPU would wait."""
    # A step's draws have a seed of their own, so that a resumed training run needs no state of the generator.
    draws = [draw(cfg, np.random.default_rng((cfg.seed, epoch, 1 + k)), batch) for k in these]
    done, total = epoch * steps, cfg.epochs * steps
    lr_K = torch.tensor([cfg.lr * warmup_cosine(done + k, total, cfg.warmup_share) for k in these])
    return [torch.stack(part).to(device) for part in zip(*draws, strict=True)], lr_K.to(device)


def order(seed: int, epoch: int, clips: int, batch: int) -> np.ndarray:
    """The rows (steps, batch) of one epoch."""
    rows = np.random.default_rng((seed, epoch, 0)).permutation(clips)  # draw 0; step k is augmented by draw 1 + k
    return rows[: clips // batch * batch].reshape(-1, batch)


def seed_torch(cfg, epoch: int, state):
    """Torch's random numbers of an epoch, for networks that draw some, from its beginning or from where it was cut."""
    torch.manual_seed(1000 * cfg.seed + epoch)
    if state.step:
        torch.set_rng_state(state.random["cpu"])
        for gpu, random in zip(range(torch.cuda.device_count()), state.random["gpus"], strict=False):
            torch.cuda.set_rng_state(random, gpu)


def warmup_cosine(step: int, total: int, warmup_share: float) -> float:
    """Share of the peak learning rate: up in a line from above 0, then down a cosine to 1 %."""
    # In the first steps momentum and second moments are averages of next to nothing: a full rate would follow them.
    warmup = max(1, round(warmup_share * total))
    if step < warmup:
        return (step + 1) / warmup  # never 0: the first step would be lost
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def refuse_nonfinite(values: list[torch.Tensor], epoch: int, before: int, cfg):
    """Raises FloatingPointError for the first value that is not finite; values[i] belongs to step `before` + i + 1."""
    bad = torch.stack(values).isfinite().logical_not().nonzero().flatten().tolist()  # one look at the device for all
    if bad:
        raise FloatingPointError(
            f"loss {values[bad[0]].item()} in epoch {epoch + 1}, step {before + bad[0] + 1}: nothing "
            f"after the last checkpoint was saved; start again without checkpoints/, with a lower lr (now {cfg.lr:g}) "
            f"or grad_clip (now {cfg.grad_clip:g})"
        )


def record(state, epoch: int, steps: int, batch: int, cfg, scores: dict, seconds: float) -> dict:
    """The history's row of an epoch that has just ended."""
    train_loss, train_top1 = (torch.stack(values).mean().item() for values in (state.losses, state.correct))
    step = (epoch + 1) * steps
    lr = cfg.lr * warmup_cosine(step - 1, cfg.epochs * steps, cfg.warmup_share)
    row = {"epoch": epoch + 1, "step": step, "clips_seen": step * batch, "lr": lr}
    row |= {"train_loss": train_loss, "train_top1": train_top1, **scores}
    return row | {"seconds": seconds, "clips_per_second": steps * batch / seconds}


@torch.inference_mode()
def predict(net, clips, cfg) -> dict[str, np.ndarray]:
    """Class logits (N, K), and mean and log-variance (N, H, 3) of the future (u, v, log z), in frame widths and log
    metres, in the set's order. The net stays where it is, in eval mode."""
    net.eval()  # running averages instead of the batch's: a prediction depends on its clip alone
    device = next(net.parameters()).device
    # Collected on the device: fetching each would make a GPU wait.
    outputs, batch = [], BATCH if device.type == "cpu" else max(1, GPU_PIXELS // (cfg.frames * cfg.size**2))
    for start in range(0, len(clips), batch):
        video_BCTHW = clips.batch(np.arange(start, min(start + batch, len(clips)))).video.to(device)
        output, _ = net(video_BCTHW.float() / 255)
        outputs.append((output.logits_BK, output.future_BFx6))
    logits_NK, future_NHx6 = (torch.cat(part).cpu().numpy() for part in zip(*outputs, strict=True))
    return {"logits_NK": logits_NK, "mean_NHx3": future_NHx6[..., :3], "logvar_NHx3": future_NHx6[..., 3:]}


def validate(net, val_set, cfg) -> dict[str, float]:
    """Loss (class NLL + position NLL, nats), top-1 accuracy, ADE in pixels."""
    logits_NK, mean_NHx3, logvar_NHx3 = map(torch.from_numpy, predict(net, val_set, cfg).values())
    label_N, track_NFx3 = torch.from_numpy(val_set.label_N), torch.from_numpy(val_set.track_NFx3)
    target_NHx3 = as_target(track_NFx3)[:, cfg.frames :]
    # No auxiliary terms and no beta: the loss of one architecture has to compare with that of another.
    position = position_nll(torch.cat([mean_NHx3, logvar_NHx3], dim=-1), target_NHx3).mean()
    return {
        "val_loss": (F.cross_entropy(logits_NK, label_N) + position).item(),
        "val_top1": (logits_NK.argmax(1) == label_N).float().mean().item(),
        "val_ade_px": (mean_NHx3 - target_NHx3)[..., :2].norm(dim=-1).mean().item() * cfg.size,
    }


class Interrupts:
    """A context in which SIGINT and SIGTERM only set `requested`; a second SIGINT stops at once."""

    def __enter__(self):
        self.requested, self.previous = False, {}  # only noted: a step that is cut has half of its weights moved
        if threading.current_thread() is threading.main_thread():  # in others no signal arrives
            self.previous = {number: signal.signal(number, self.note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *error):
        for number, handler in self.previous.items():  # a notebook's own handlers
            signal.signal(number, handler)

    def note(self, number, frame):
        # A Jupyter server sends SIGTERM some seconds after SIGINT: that is not a second request.
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True

    def obey(self):
        """Raise KeyboardInterrupt if a signal has requested it; the caller has saved its state."""
        if self.requested:
            raise KeyboardInterrupt
