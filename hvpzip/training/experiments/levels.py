"""Noise levels tried on a trained model: new steps are added to its schedule and trained alone, all side by side.

Trunk and carried features stay as they are, so one forward pass serves every configuration, none disturbs another, and each new step (one
network evaluation) gets the same number of training steps: from the trained step most like it, calibration, a constant rate, a cool-down.
The features were trained with the old schedule, and a step that had no like starts behind: both speak for what was there before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from hvpzip.diffusion.bound import Term
from hvpzip.diffusion.likelihood import COUPLINGS
from hvpzip.diffusion.schedule import UNITS, Schedule
from hvpzip.nn.graph.export import export
from hvpzip.nn.graph.network import Cascade, Head, LevelNetwork
from hvpzip.nn.graph.ops import FloatOps
from hvpzip.training.config import TrainConfig
from hvpzip.training.data import Crops, load_photos
from hvpzip.training.export import load_cascade
from hvpzip.training.loop import learning_rate, validation_crops
from hvpzip.training.loss import cascade_terms
from hvpzip.training.plot import read_log

__all__ = ["extend", "levels_table", "logged_table", "train_levels", "unit_bits"]

COOLDOWN = 0.4  # of the steps


def extend(trained: Cascade, schedule: Schedule) -> tuple[Cascade, int]:
    """(cascade on ``schedule`` with the weights of ``trained``, the number of steps that it had).

    Raises ValueError unless every level of ``schedule`` begins with the steps of ``trained``. What is new has fresh weights; only that
    requires gradients.
    """
    kept = len(trained.schedule.levels[0].steps)
    for old, new in zip(trained.schedule.levels, schedule.levels, strict=True):
        if len(old.steps) != kept or new.steps[:kept] != old.steps:
            raise ValueError("each level of the new schedule must begin with the steps that the checkpoint was trained with")
    cascade = Cascade(trained.config, schedule)
    known = trained.state_dict()
    cascade.load_state_dict({**cascade.state_dict(), **known})
    for name, parameter in cascade.named_parameters():
        parameter.requires_grad_(name not in known)
    cascade.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return cascade, kept


@torch.no_grad()
def _start(cascade: Cascade, kept: int) -> None:
    """Each new step starts as the trained step of its unit that is most like it; what that one lacks (a latent to read) counts nothing."""
    for network in cascade.networks:
        assert isinstance(network, LevelNetwork)
        steps = network.schedule.steps
        for index, step in enumerate(steps[kept:], start=kept):
            like = max(
                (i for i in range(kept) if steps[i].unit == step.unit),
                key=lambda i: ((steps[i].given is None) == (step.given is None), steps[i].is_latent == step.is_latent),
            )
            _copy_step(network, like, index)
        sides = [branch for name, branch in network.side.items() if int(name) < kept]
        for name, branch in network.side.items():
            if int(name) >= kept and sides:
                branch.load_state_dict(sides[0].state_dict())


def _copy_step(network: LevelNetwork, source: int, target: int) -> None:
    head, old = network.heads[target], network.heads[source]
    assert isinstance(head, Head)
    assert isinstance(old, Head)
    head.hidden.load_state_dict(old.hidden.state_dict())
    couplings = old.out.bias.shape[0] - COUPLINGS
    for new_out, old_out in ((head.out.weight, old.out.weight), (head.out.bias, old.out.bias)):
        new_out.zero_()
        new_out[:couplings] = old_out[:couplings]
        new_out[-COUPLINGS:] = old_out[-COUPLINGS:]
    known = dict(network.closed_form[source].named_buffers())
    for name, buffer in network.closed_form[target].named_buffers():
        buffer.zero_()
        buffer[tuple(slice(size) for size in known[name].shape)] = known[name]


def _modules(cascade: Cascade, kept: int) -> list[nn.Module]:
    """Heads and side branches of the new steps."""
    found: list[nn.Module] = []
    for network in cascade.networks:
        assert isinstance(network, LevelNetwork)
        found += [*network.heads[kept:], *(branch for index, branch in network.side.items() if int(index) >= kept)]
    return found


def train_levels(
    checkpoint: Path, schedule: Schedule, into: Path, steps: int, *, crop: int | None = None, report: Callable[[str], None] = print
) -> dict[str, dict[str, float]]:
    """Train the new steps of ``schedule`` on a checkpoint's averaged weights; writes ``into`` as a model with every path, and its bits.

    Args:
        checkpoint: Where the trained weights, the sources of photos and the settings come from.
        schedule: Begins with the checkpoint's own steps.
        into: Folder of the model; ``levels.json`` in it holds what is returned.
        steps: Training steps of every new step.
        crop: Side of the crops instead of the checkpoint's.

    Returns:
        Bits per dimension by source and term (``unit_bits``).
    """
    trained, averaged, config, step = load_cascade(checkpoint)
    trained.load_state_dict({**trained.state_dict(), **averaged})
    generator = torch.Generator().manual_seed(config.seed + 1)
    torch.manual_seed(config.seed + 1)
    cascade, kept = extend(trained, schedule)
    crops = Crops(load_photos(config.sources), config.weights, crop or config.crop, config.augmentation, torch.device("cpu"), generator)
    _start(cascade, kept)
    modules = _modules(cascade, kept)
    began = time.process_time()

    def backward() -> float:
        images = crops.batch(config.batch)
        terms = [term for term in cascade_terms(cascade, FloatOps(), images) if term.step >= kept and term.kind == "rate"]
        loss = torch.stack([term.bits for term in terms]).sum() / images.numel()
        loss.backward()  # type: ignore[no-untyped-call]
        for module in modules:  # each on its own, so that no configuration slows another
            nn.utils.clip_grad_norm_(module.parameters(), config.clip)
        return float(loss.detach())

    new = [(name, p) for name, p in cascade.named_parameters() if p.requires_grad]
    calibration = torch.optim.Adam([p for name, p in new if name.endswith("out.bias")], lr=0.03)
    for _ in range(config.calibration):
        backward()
        calibration.step()
        cascade.zero_grad()
    heads, body = [p for name, p in new if ".out." in name], [p for name, p in new if ".out." not in name]
    groups = [{"params": body, "gain": 1.0}, {"params": heads, "gain": config.head_gain}]
    optimizer = torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.99))
    for number in range(steps):
        rate = learning_rate(number, config.learning_rate, min(50, steps), (round((1 - COOLDOWN) * steps), steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["gain"]
        bits = backward()
        optimizer.step()
        cascade.zero_grad()
        if (number + 1) % 50 == 0:
            report(f"step {number + 1}  {bits:.3f} bits/dim over all new steps  {time.process_time() - began:.0f} s of processor time")
    found = {name: unit_bits(cascade, images) for name, images in validation_crops(config.validation).items()}
    extra = {"step": step, "levels_steps": steps, "batch": config.batch, "crop": crops.size, "seed": config.seed + 1}
    export(cascade, None, into, extra)
    (into / "levels.json").write_text(json.dumps({**extra, "bits_per_dim": found}, indent=1) + "\n")
    return found


@torch.no_grad()
def unit_bits(cascade: Cascade, images: Tensor) -> dict[str, float]:
    """Bits per dimension of the whole crops by term, named as in a run's log (``level1/hh/step0/rate``), on latents of a fixed seed."""
    state = torch.get_rng_state()
    torch.manual_seed(0)
    terms: list[Term] = []
    for part in torch.split(images, 4):
        terms += cascade_terms(cascade, FloatOps(), part)
    torch.set_rng_state(state)
    found: dict[str, float] = {}
    for term in terms:
        key = f"level{term.level}/{term.unit}/step{term.step}/{term.kind}"
        found[key] = found.get(key, 0.0) + float(term.bits) / images.numel()
    return found


def levels_table(bits: Mapping[str, Mapping[str, float]], schedule: Schedule, against: str) -> str:
    """A line a source, path and unit that differs: what noise levels gain over ``against``, level by level, in percent of the unit there
    (positive: smaller), and in bits per dimension of the whole.
    """
    lines = [f"gain over {against} in %, by level from 1 (finest) to 4 and all coarser; last: bits/dim of the whole"]
    for source, found in bits.items():
        levels = sorted({int(key.split("/")[0].removeprefix("level")) for key in found})
        for path in schedule.path_names:
            for unit in UNITS:
                ours = [_net(found, schedule, number, unit, path) for number in levels]
                base = [_net(found, schedule, number, unit, against) for number in levels]
                if ours == base:
                    continue
                parts = [(ours[i], base[i]) for i in range(3)] + [(sum(ours[3:]), sum(base[3:]))]
                cells = "  ".join(f"{100 * (1 - one / other):+6.2f}" if other else "     -" for one, other in parts)
                lines.append(f"{source:8} {path:12} {unit}  {cells}  {sum(base) - sum(ours):+.4f}")
    return "\n".join(lines)


def _net(bits: Mapping[str, float], schedule: Schedule, number: int, unit: str, path: str) -> float:
    level = schedule.level(number)
    steps = [i for i in level.paths[path] if level.steps[i].unit == unit]
    return sum(bits[f"level{number}/{unit}/step{i}/rate"] - bits.get(f"level{number}/{unit}/step{i}/refund", 0.0) for i in steps)


def logged_table(folder: Path) -> str:
    """The table of the last validation in a run's folder, of its first path against its last one."""
    schedule = TrainConfig.read(folder / "config.json").noise.schedule()
    entry = [entry for entry in read_log(folder / "log.jsonl") if entry["kind"] == "validation"][-1]
    bits: dict[str, dict[str, float]] = {}
    for key, value in entry["bits_per_dim"].items():
        source, _, term = key.partition("/")
        if term.startswith("level"):
            bits.setdefault(source, {})[term] = value
    return f"step {entry['step']}\n" + levels_table(bits, schedule, schedule.path_names[-1])
