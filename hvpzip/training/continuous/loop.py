"""Training a cascade on small pictures: all scales at once, each with its own schedule; resumable; the average of the weights is the model.

The end points of a schedule follow the bound's gradient, its shape that of the loss's square, which lowers the variance (VDM, appendix
H). Both come from the gradient with respect to each picture's gamma, at no further cost: pictures share nothing, so
d(loss^2) / dgamma = 2 loss d(loss) / dgamma, picture by picture.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint
from hvpzip.training.continuous.bound import (
    diffuse,
    low_discrepancy_times,
    prior_loss,
    reconstruction,
    second_order_residual,
    squared_error,
)
from hvpzip.training.continuous.cascade import CascadeConfig, DiffusionCascade, tensors
from hvpzip.training.continuous.images import lifted, read_pictures
from hvpzip.training.continuous.parameterisation import Belief
from hvpzip.training.muon import Muon

__all__ = ["DiffusionRun", "DiffusionTrainConfig", "load_cascade"]

MOMENTS = {"exp_avg": "m", "exp_avg_sq": "v"}
PRECONDITION_PICTURES = 2048
NATS_TO_BITS = 1 / math.log(2)
COOLDOWN_AVERAGES = 20  # a cool-down is so many times as long as its average remembers


@dataclass(frozen=True, kw_only=True)
class DiffusionTrainConfig:
    """One run.

    Attributes:
        pictures: Mosaic, folder of mosaics or ``.npz`` to train on.
        held_out: How many of the last pictures measure progress instead.
        cascade: What is trained.
        batch: Pictures a step.
        turns: Every how many steps a scale is trained, finest scale first; the last entry serves all coarser ones. Coarse scales cost
            nearly as much time as fine ones on a CPU, and are learnt first.
        reconstruction: Share of a batch that is spent on the reconstruction term.
        alone: Share that learns to say everything at once: the belief at t = 1 given z = 0, by its mass on the values. The bound hardly
            asks for it, for nothing is coded from that noise in one step; a scale coded without latents, and the mean of what is not
            known, are just that.
        alone_weight: Weight of its bits beside those of the bound.
        learning_rate, matrix_rate: Of Adam, and of Muon for the convolutions.
        schedule_rate: Of the noise schedules.
        second_order: Weight of the error of second order, for the ODE's likelihood: a fine-tuning option (i-DODE has 0.1); costs a second
            backward pass.
        warmup: Steps of rising rate.
        ema: Decay of the averaged weights.
        clip: Largest gradient norm.
        validate_every: Steps; save_every_s: seconds between checkpoints.
        seed: Of everything drawn.
    """

    pictures: str
    held_out: int = 400
    cascade: CascadeConfig = field(default_factory=CascadeConfig)
    batch: int = 32
    turns: tuple[int, ...] = (1,)
    reconstruction: float = 0.25
    alone: float = 0.0
    alone_weight: float = 0.25
    learning_rate: float = 2e-3
    matrix_rate: float = 6e-3
    schedule_rate: float = 2e-3
    second_order: float = 0.0
    warmup: int = 100
    ema: float = 0.999
    clip: float = 1.0
    validate_every: int = 1000
    save_every_s: float = 120.0
    seed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data; ``from_dict`` is its inverse."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DiffusionTrainConfig:
        """From plain data. Raises ValueError for unknown keys."""
        unknown = set(data) - {f.name for f in dataclasses.fields(cls)}
        if unknown:
            raise ValueError(f"unknown settings of a run: {', '.join(sorted(unknown))}")
        rest: dict[str, Any] = {name: value for name, value in data.items() if name != "cascade"}
        rest |= {name: tuple(value) for name, value in rest.items() if isinstance(value, list)}
        return cls(**rest, cascade=CascadeConfig.from_dict(data.get("cascade", {})))

    @classmethod
    def read(cls, path: str | Path) -> DiffusionTrainConfig:
        """From a JSON file."""
        return cls.from_dict(json.loads(Path(path).read_text()))


def load_cascade(checkpoint: str | Path) -> DiffusionCascade:
    """The cascade of a run's checkpoint with its averaged weights, for evaluation."""
    tensors_, _, state = read_checkpoint(checkpoint)
    cascade = DiffusionCascade(DiffusionTrainConfig.from_dict(state["config"]).cascade)
    cascade.load_state_dict({name.removeprefix("average."): t for name, t in tensors_.items() if name.startswith("average.")})
    return cascade.eval().requires_grad_(False)


class DiffusionRun:
    """A run in a folder: ``last.safetensors``, ``log.jsonl``, ``config.json``; resumed where it holds a checkpoint.

    Args:
        config: Settings; a checkpoint's own cascade wins where one is resumed.
        folder: Where the run lives.
        device: "cpu" or "cuda".
        initial: Checkpoint to branch from where the folder holds none.
        cooldown: End with so many steps of a rate that falls to zero.
    """

    def __init__(
        self, config: DiffusionTrainConfig, folder: Path, device: str = "cpu", initial: Path | None = None, cooldown: int | None = None
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / "last.safetensors"
        source = checkpoint if checkpoint.exists() else initial
        saved, moments, state = read_checkpoint(source) if source else ({}, None, None)
        if state is not None:
            config = dataclasses.replace(config, cascade=DiffusionTrainConfig.from_dict(state["config"]).cascade)
        self.config, self.folder, self.device = config, folder, torch.device(device)
        (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1) + "\n")
        torch.manual_seed(config.seed)
        self.generator = torch.Generator().manual_seed(config.seed)
        pictures = lifted(read_pictures(config.pictures, config.cascade.side))
        if not 0 < config.held_out < len(pictures):
            raise ValueError(f"held_out must leave pictures of {len(pictures)} on both sides, not {config.held_out}")
        self.pictures, self.validation = pictures[: -config.held_out].astype(np.int16), pictures[-config.held_out :]
        self.cascade = DiffusionCascade(config.cascade)
        self.step, self.seconds, self.end, self.cooldown_from = 0, 0.0, None if cooldown is None else cooldown, 0
        if state is None:
            self.cascade.precondition(pictures[:PRECONDITION_PICTURES])
        else:
            weights = {name: t for name, t in saved.items() if not name.startswith("average.") and name != "random"}
            self.cascade.load_state_dict(weights)
        self.cascade.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.average = {name: p.detach().clone() for name, p in self.cascade.state_dict().items()}
        self.optimizers = self._optimizers()
        if state is not None:
            for name, t in saved.items():
                if name.startswith("average."):
                    self.average[name.removeprefix("average.")].copy_(t)
            self.step, self.seconds = state["step"], state["seconds"]
            if "random" in saved:
                self.generator.set_state(saved["random"])
            self._restore_moments(moments or {})
        if cooldown is not None:
            self.cooldown_from, self.end = self.step, self.step + cooldown
        self.order = torch.empty(0, dtype=torch.int64)

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        matrices, others, schedules = [], [], []
        for name, p in self.cascade.named_parameters():
            if ".schedule." in name:
                schedules.append(p)
            elif p.ndim == 4 and ("first" in name or "second" in name or "enter" in name):
                matrices.append(p)
            else:
                others.append(p)
        adam = torch.optim.Adam(
            [{"params": others, "peak": self.config.learning_rate}, {"params": schedules, "peak": self.config.schedule_rate}],
            betas=(0.9, 0.99),
            fused=True,  # one call for all: the many small ones take longer than their arithmetic
        )
        muon = Muon([{"params": matrices, "peak": self.config.matrix_rate}])
        return [adam, muon]

    def _rate(self) -> float:
        """Share of the peak rate at this step: linear warm-up, constant, and 1 - sqrt(progress) over the cool-down."""
        rate = min(1.0, (self.step + 1) / max(1, self.config.warmup))
        if self.end is not None:
            rate *= max(0.01, 1 - math.sqrt((self.step - self.cooldown_from) / max(1, self.end - self.cooldown_from)))
        return rate

    def _batch(self) -> Tensor:
        """Planes of a batch, each picture flipped or not; an epoch sees every picture once."""
        if len(self.order) < self.config.batch:
            self.order = torch.randperm(len(self.pictures), generator=self.generator)
        chosen, self.order = self.order[: self.config.batch], self.order[self.config.batch :]
        planes = torch.from_numpy(self.pictures[chosen.numpy()].astype(np.int32))
        flip = torch.rand(len(planes), generator=self.generator) < 0.5
        return torch.where(flip[:, None, None, None], planes.flip(3), planes)

    def _train_step(self) -> list[float]:
        """One step; the estimate of each scale's bound, bits per dimension, NaN where it is not the scale's turn."""
        planes = self._batch()
        count = len(planes)
        first = max(1, round(self.config.reconstruction * count))  # pictures for the reconstruction term
        last = count - round(self.config.alone * count)  # from here on those that say everything at once
        dims = self.cascade.dims
        found, turns = [], self.config.turns
        scales = self.cascade.hierarchy.split(planes.numpy())
        for number, scale in enumerate(scales):
            if self.step % turns[min(len(scales) - 1 - number, len(turns) - 1)]:
                found.append(math.nan)
                continue
            known, values = (t.to(self.device) for t in tensors(scale))
            model = self.cascade.scale(number)
            offset = float(torch.rand(1, generator=self.generator))
            t = torch.cat([torch.zeros(first), low_discrepancy_times(last - first, offset), torch.ones(count - last)]).to(self.device)
            gamma_of_t, slope_of_t = model.schedule(t)
            gamma, slope = gamma_of_t.detach().requires_grad_(), slope_of_t.detach().requires_grad_()
            eps = torch.randn(values.shape, generator=self.generator).to(self.device)
            recon, diffusion, alone = self._terms(number, known, values, gamma, slope, eps, first, last)
            prior = prior_loss(model, values, model.schedule.ends[1])
            loss = recon.mean() + diffusion.mean() + prior.mean()
            if self.config.second_order:
                probe = 2.0 * torch.randint(0, 2, values[first:].shape, generator=self.generator).to(self.device) - 1
                residual = second_order_residual(model, values[first:], known[first:], gamma.detach()[first:], eps[first:], probe)
                loss = loss + self.config.second_order * residual.square().mean() / values[0].numel()
            taught = loss + self.config.alone_weight * alone.mean() if len(alone) else loss
            (taught / dims).backward()  # type: ignore[no-untyped-call]
            if self.config.cascade.shape == "learned":
                assert gamma.grad is not None
                assert slope.grad is not None
                gamma.grad[last:] = 0
                self._schedule_gradients(number, gamma_of_t, slope_of_t, (gamma.grad, slope.grad), diffusion.detach(), first, last)
            else:
                model.schedule.ends.grad = None  # fixed
            found.append(float(loss.detach()) / dims * NATS_TO_BITS)
        for number in range(len(self.cascade.scales)):
            torch.nn.utils.clip_grad_norm_(self.cascade.scale(number).denoiser.parameters(), self.config.clip)
        rate = self._rate()
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate
            optimizer.step()
            optimizer.zero_grad()
        self._average()
        self.step += 1
        return found

    def _terms(
        self, number: int, known: Tensor, values: Tensor, gamma: Tensor, slope: Tensor, eps: Tensor, first: int, last: int
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruction of the first pictures, the diffusion's integrand of those before ``last``, bits of all at once of the others, from
        one evaluation of the network.
        """
        model = self.cascade.scale(number)
        z = diffuse(model, values, gamma, eps)
        z = torch.cat([z[:last], torch.zeros_like(z[last:])])
        belief = model.estimate(z, gamma, known).belief
        spans = slice(first), slice(first, last), slice(last, None)
        head, middle, tail = (Belief(*(part[span] for part in belief)) for span in spans)
        diffusion = 0.5 * slope[spans[1]] * squared_error(model, values[spans[1]], middle, gamma[spans[1]])
        return reconstruction(model, values[:first], head), diffusion, reconstruction(model, values[last:], tail)

    def _schedule_gradients(
        self, number: int, gamma: Tensor, slope: Tensor, gradients: tuple[Tensor, Tensor], losses: Tensor, first: int, last: int
    ) -> None:
        """Pass the gradients of each picture's gamma and slope on: as they are to the end points, times twice the picture's loss to the
        shape.
        """
        schedule = self.cascade.scale(number).schedule
        (ends,) = torch.autograd.grad((gamma, slope), schedule.ends, gradients, retain_graph=True)
        assert schedule.ends.grad is not None
        schedule.ends.grad += ends
        shape = [p for p in schedule.parameters() if p is not schedule.ends]
        weight = torch.cat([losses.new_zeros(first), 2 * losses / self.cascade.dims, losses.new_zeros(len(gamma) - last)])
        squares = tuple(weight * gradient for gradient in gradients)
        for p, gradient in zip(shape, torch.autograd.grad((gamma, slope), shape, squares), strict=True):
            p.grad = gradient

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        if self.end is not None:
            # Over a cool-down the latest weights are the best ones, so the average forgets those from before it.
            decay = min(decay, 1 - COOLDOWN_AVERAGES / max(COOLDOWN_AVERAGES + 1, self.end - self.cooldown_from))
        named = list(self.cascade.named_parameters())
        torch._foreach_lerp_([self.average[name] for name, _ in named], [p for _, p in named], 1 - decay)

    def train(self, max_steps: int | None = None, max_seconds: float | None = None, report: Callable[[str], None] = print) -> None:
        """Train until the cool-down's end, ``max_steps`` or ``max_seconds`` of wall time; saves at the end, and as configured."""
        began = saved = time.monotonic()
        before, cpu = self.seconds, time.process_time()
        recent: list[list[float]] = []
        while (self.end is None or self.step < self.end) and (max_steps is None or self.step < max_steps):
            recent.append(self._train_step())
            self.seconds = before + time.process_time() - cpu
            now = time.monotonic()
            if self.step % 200 == 0:
                self._log("train", np.nanmean(recent[-200:], 0).tolist(), report)
                recent = []
            if self.step % self.config.validate_every == 0:
                self._log("validation", self.validate(), report)
            if now - saved > self.config.save_every_s:
                self.save()
                saved = now
            if max_seconds is not None and now - began > max_seconds:
                break
        self._log("validation", self.validate(), report)
        self.save()

    def validate(self) -> list[float]:
        """Continuous bound of the averaged weights on the pictures held out, bits per dimension, by scale; always the same noise."""
        from hvpzip.training.continuous.evaluate import continuous_bound

        kept = {name: p.detach().clone() for name, p in self.cascade.state_dict().items()}
        self.cascade.load_state_dict(self.average)
        bound = continuous_bound(self.cascade, self.validation, draws=2, seed=0, device=self.device)
        self.cascade.load_state_dict(kept)
        return [scale.total for scale in bound.scales]

    def _log(self, kind: str, bits: list[float], report: Callable[[str], None]) -> None:
        entry = {"kind": kind, "step": self.step, "seconds": round(self.seconds, 1), "bits_per_dim": {"all": sum(bits)}}
        entry["scales"] = bits
        entry["noise"] = [
            [round(float(scale.unit.min()) * math.exp(0.5 * g), 3) for g in scale.schedule.ends.tolist()]
            for scale in map(self.cascade.scale, range(len(bits)))
        ]
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
        parts = " ".join(f"{b:.4f}" for b in bits)
        report(f"{kind:10} step {self.step:6d}  {self.seconds:7.0f} s  {sum(bits):.4f} bits/dim  [{parts}]")

    def save(self) -> None:
        """Write the checkpoint: weights, averages, moments, step, random state."""
        weights = {**self.cascade.state_dict(), **{f"average.{name}": t for name, t in self.average.items()}}
        names: dict[Tensor, str] = {p: name for name, p in self.cascade.named_parameters()}
        moments = {
            f"{short}.{names[p]}": state[long]
            for optimizer in self.optimizers
            for p, state in optimizer.state.items()
            for long, short in MOMENTS.items()
            if long in state
        }
        weights["random"] = self.generator.get_state()
        state = {"config": self.config.to_dict(), "step": self.step, "seconds": self.seconds}
        write_checkpoint(self.folder / "last.safetensors", weights, moments, state)

    def _restore_moments(self, moments: Mapping[str, Tensor]) -> None:
        names = dict(self.cascade.named_parameters())
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                for p in group["params"]:
                    key = next(name for name, q in names.items() if q is p)
                    kept = {long: moments.get(f"{short}.{key}") for long, short in MOMENTS.items()}
                    state = {long: t.to(p.device) for long, t in kept.items() if t is not None}
                    if not state:
                        continue
                    if "exp_avg_sq" in state:
                        state["step"] = torch.tensor(float(self.step))
                    optimizer.state[p] = state
