"""One training loop for all extractors: read it from top to bottom."""

import math
import time
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from trajnb import files
from trajnb.models import trained
from trajnb.progress import Progress
from trajnb.training import checkpoints, optimizers, precision
from trajnb.training.augment import augment
from trajnb.training.interrupts import held
from trajnb.training.losses import as_target, position_nll, training_loss
from trajnb.training.predictions import predict


def fit(net, train_set, val_set, cfg, stage_dir) -> list[dict]:
    """Train `net`, or go on from the newest whole checkpoint; returns the history, one row per epoch.

    Leaves checkpoints/ (see checkpoints.py), final.safetensors (the weights; their moving average where cfg.ema is on),
    history.csv and progress.json in `stage_dir`. Cut at any moment and called again with the same arguments, it ends
    with the same weights and history, but for times: bit for bit on the same processor with as many threads. `seconds`
    and `clips_per_second` count training without validation. An epoch leaves out the rest of clips that does not fill a
    batch; another epoch leaves out others.
    Raises FloatingPointError, before it would be saved, when a loss is not finite; ValueError when the checkpoint
    was trained with other parameters or clips; KeyboardInterrupt, after a checkpoint, when a signal asks it to stop.
    """
    stage_dir, device = Path(stage_dir), prepare(cfg)
    net.to(device)
    cfg = precision.resolve(cfg, net, train_set, stage_dir, device)
    net.precision = cfg.precision
    ema = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(cfg.ema), use_buffers=True) if cfg.ema else None
    optimizer = optimizers.build(net, cfg.lr, cfg.weight_decay)
    data = {"training clips": checkpoints.data_hash(train_set), "validation clips": checkpoints.data_hash(val_set)}
    data |= trained.code(cfg.model)
    keeper = checkpoints.Checkpoints(stage_dir, net, ema, optimizer, cfg, data)
    place, batch = keeper.restore(), min(cfg.batch_size, len(train_set))
    steps = len(train_set) // batch

    done, path = len(place.history) * steps + place.step, stage_dir / "progress.json"

    with Progress(cfg.epochs * steps, cfg.model, "step", path, done) as progress, held() as interrupts:
        for epoch in range(len(place.history), cfg.epochs):
            # train: one pass in an order that depends on seed and epoch alone, from the step where it was cut
            start = time.perf_counter() - place.seconds
            clips, rows_KB = train_set.for_epoch(epoch), order(cfg.seed, epoch, len(train_set), batch)
            net.train()
            torch.manual_seed(1000 * cfg.seed + epoch)
            if place.step:
                checkpoints.set_random_states(place.random)
            for k in range(place.step, steps):
                set_lr(optimizer, cfg.lr * warmup_cosine(epoch * steps + k, cfg.epochs * steps, cfg.warmup_share))
                rng = np.random.default_rng((cfg.seed, epoch, 1 + k))
                place.add(*learn(net, ema, optimizer, clips.batch(rows_KB[k]), cfg, rng), time.perf_counter() - start)
                progress.update(epoch=epoch + 1, clips_per_second=round(place.step * batch / place.seconds, 1))
                if keeper.due() or interrupts.asked:
                    refuse_nonfinite([*place.losses, weights_sum(net)], epoch, epoch * steps, cfg)
                    keeper.save(place)
                    interrupts.obey()
            refuse_nonfinite(place.losses, epoch, epoch * steps, cfg)
            seconds = time.perf_counter() - start

            # evaluate: every validation clip, nothing moved
            scores = validate(ema.module if ema else net, val_set, cfg)
            refuse_nonfinite([torch.tensor(scores["val_loss"])], epoch, (epoch + 1) * steps - 1, cfg)

            # record: one row per epoch; the checkpoint before the file that describes it
            step, rate = (epoch + 1) * steps, optimizer.param_groups[0]["lr"]
            train_loss, train_top1 = (torch.stack(x).mean().item() for x in (place.losses, place.hits))
            row = {"epoch": epoch + 1, "step": step, "clips_seen": step * batch, "lr": rate}
            row |= {"train_loss": train_loss, "train_top1": train_top1, **scores}
            row |= {"seconds": seconds, "clips_per_second": steps * batch / seconds}
            place = checkpoints.Place([*place.history, row])
            if (epoch + 1) % cfg.checkpoint_every == 0 or epoch + 1 == cfg.epochs or keeper.due() or interrupts.asked:
                keeper.save(place)
            files.write_csv(stage_dir / "history.csv", pd.DataFrame(place.history))
            progress.line(describe(row, cfg.epochs))
            progress.values |= {name: round(row[name], 4) for name in ("train_loss", "val_loss", "val_top1")}
            interrupts.obey()

    files.write_csv(stage_dir / "history.csv", pd.DataFrame(place.history))  # once more: it may have been cut before
    trained.save(stage_dir / trained.FILE, ema.module if ema else net, cfg)
    return place.history


def learn(net, ema, optimizer, batch, cfg, rng):
    """One step; returns loss and share of right classes, on the device: no .item() in here, which would wait for it."""
    device = next(net.parameters()).device
    video, track = augment(batch.video.to(device), batch.track.to(device), cfg, rng)
    label = batch.label.to(device)
    output, aux = net(video)
    loss = training_loss(output, aux, label, track, cfg)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), cfg.grad_clip)
    optimizer.step()
    if ema:
        ema.update_parameters(net)
    return loss.detach(), (output.logits_BK.detach().argmax(1) == label).float().mean()


def prepare(cfg) -> torch.device:
    """Process-wide settings, and the device. Subnormal numbers cost a factor of 2 to 3 on a CPU: flushed to zero."""
    torch.set_flush_denormal(True)
    if cfg.threads:
        torch.set_num_threads(cfg.threads)
    return trained.device(cfg)


def order(seed: int, epoch: int, clips: int, batch: int) -> np.ndarray:
    """The rows (steps, batch) of one epoch. Draw 0 of (seed, epoch) is the order, draw 1 + k augments step k."""
    rows = np.random.default_rng((seed, epoch, 0)).permutation(clips)
    return rows[: clips // batch * batch].reshape(-1, batch)


def warmup_cosine(step: int, total: int, warmup_share: float) -> float:
    """Share of the peak learning rate: up in a line from above 0, then down a cosine to 1 %."""
    warmup = max(1, round(warmup_share * total))
    if step < warmup:
        return (step + 1) / warmup
    return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def set_lr(optimizer, lr: float):
    for group in optimizer.param_groups:
        group["lr"] = lr


def validate(net, val_set, cfg) -> dict[str, float]:
    """Loss (class NLL + position NLL, nats, no auxiliary terms, so that it compares), top-1, ADE in pixels."""
    said = {name: torch.from_numpy(array) for name, array in predict(net, val_set, cfg).items()}
    label_N, target_NHx3 = (
        torch.from_numpy(val_set.label_N),
        as_target(torch.from_numpy(val_set.track_NFx3))[:, cfg.frames :],
    )
    position = position_nll(torch.cat([said["mean_NHx3"], said["logvar_NHx3"]], dim=-1), target_NHx3).mean()
    error_NH = (said["mean_NHx3"] - target_NHx3)[..., :2].norm(dim=-1)
    return {
        "val_loss": (nn.functional.cross_entropy(said["logits_NK"], label_N) + position).item(),
        "val_top1": (said["logits_NK"].argmax(1) == label_N).float().mean().item(),
        "val_ade_px": error_NH.mean().item() * cfg.size,
    }


def refuse_nonfinite(values: list[torch.Tensor], epoch: int, before: int, cfg):
    """Raises FloatingPointError for the first value that is not finite; called before anything is saved.

    values: one after each step that follows step number `before`.
    """
    bad = torch.stack(values).isfinite().logical_not().nonzero()
    if len(bad):
        step = min(before + bad[0].item() + 1, before + len(values))
        raise FloatingPointError(
            f"loss {values[bad[0].item()].item()} in epoch {epoch + 1}, step {step}: nothing after the last checkpoint "
            f"was saved; start again without checkpoints/, with a lower lr (now {cfg.lr:g}) or grad_clip (now "
            f"{cfg.grad_clip:g})"
        )


def weights_sum(net) -> torch.Tensor:
    """Not finite where any weight is not."""
    return torch.stack([weight.detach().float().sum() for weight in net.parameters()]).sum()


def describe(row: dict, epochs: int) -> str:
    """One line for an epoch."""
    return (
        f"epoch {row['epoch']:3d}/{epochs}  train {row['train_loss']:7.4f}  top-1 {row['train_top1']:.4f}"
        f"  |  val {row['val_loss']:7.4f}  top-1 {row['val_top1']:.4f}  ADE {row['val_ade_px']:5.2f} px"
        f"  |  {row['seconds']:.1f} s  {row['clips_per_second']:.0f} clips/s"
    )
