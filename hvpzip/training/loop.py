"""The training loop: closed form, calibration, then steps at a constant rate; a cool-down with fake quantisation branches off any
checkpoint.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvpzip.diffusion.bound import Term
from hvpzip.nn.graph.network import Cascade
from hvpzip.nn.graph.ops import FloatOps
from hvpzip.training import parallel
from hvpzip.training.checkpoint import read_checkpoint, write_checkpoint
from hvpzip.training.closed_form import initialise_biases, solve
from hvpzip.training.config import TrainConfig
from hvpzip.training.data import Crops, load_photos
from hvpzip.training.loss import cascade_terms, path_bits, training_loss
from hvpzip.training.muon import Muon

__all__ = ["Run", "learning_rate", "validation_crops"]

CLOSED_FORM_BATCHES = 30
VALIDATION_CROP = 256
VALIDATION_COUNT = 12  # a source
MOMENTS = {"exp_avg": "m", "exp_avg_sq": "v"}  # as optimisers and checkpoints call them; Muon has the first alone


def learning_rate(step: int, peak: float, warmup: int, cooldown: tuple[int, int] | None) -> float:
    """Rate at ``step``: linear warm-up, constant, and over ``cooldown = (first, last)`` down to zero as 1 - sqrt(progress)."""
    rate = peak * min(1.0, (step + 1) / max(1, warmup))
    if cooldown is not None and step >= cooldown[0]:
        progress = min(1.0, (step - cooldown[0] + 1) / (cooldown[1] - cooldown[0]))
        rate *= max(0.02, 1 - progress**0.5)
    return rate


def validation_crops(sources: tuple[str, ...]) -> dict[str, Tensor]:
    """Centre crops of evenly spaced photos of each source: ``{name: (N, 3, 256, 256) int32}``."""
    found = {}
    for source, photos in zip(sources, load_photos(sources) if sources else [], strict=True):
        crops = []
        for photo in photos[:: max(1, len(photos) // VALIDATION_COUNT)][:VALIDATION_COUNT]:
            top, left = (photo.shape[1] - VALIDATION_CROP) // 2, (photo.shape[2] - VALIDATION_CROP) // 2
            crops.append(photo[:, top : top + VALIDATION_CROP, left : left + VALIDATION_CROP])
        found[Path(source).stem] = torch.stack(crops).to(torch.int32)
    return found


class Run:
    """A run in a folder: ``last.safetensors`` (checkpoint), ``log.jsonl``, ``config.json``.

    Args:
        config: Settings; a checkpoint's own settings win over ``network`` and ``noise`` where one is resumed.
        folder: Where the run lives; resumed if it holds a checkpoint.
        device: "cpu" or "cuda".
        initial: Checkpoint to branch from instead (its step goes on counting).
        cooldown: Steps of a cool-down with fake quantisation, after which the run ends; None trains at the constant rate.
        photos: Photos of ``config.sources`` where they are loaded already.
    """

    def __init__(
        self,
        config: TrainConfig,
        folder: Path,
        device: str,
        initial: Path | None = None,
        cooldown: int | None = None,
        photos: Sequence[Sequence[Tensor]] | None = None,
    ) -> None:
        self.device, self.folder = parallel.local_device(device), folder
        folder.mkdir(parents=True, exist_ok=True)
        checkpoint = folder / "last.safetensors"
        source = checkpoint if checkpoint.exists() else initial
        tensors, moments, state = read_checkpoint(source) if source else ({}, None, None)
        if state is not None:
            saved = TrainConfig.from_dict(state["config"])
            config = TrainConfig.from_dict({**config.to_dict(), "network": saved.network.to_dict(), "noise": state["config"]["noise"]})
        self.config = config
        if config.batch % parallel.world():
            raise ValueError(f"a batch of {config.batch} cannot be shared by {parallel.world()} processes")
        if parallel.rank() == 0:
            (folder / "config.json").write_text(json.dumps(config.to_dict(), indent=1) + "\n")
        self.generator = torch.Generator().manual_seed(config.seed)
        torch.manual_seed(config.seed)
        self.model = Cascade(config.network, config.noise.schedule())
        self.model.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        photos = load_photos(config.sources) if photos is None else photos
        self.crops = Crops(photos, config.weights, config.crop, config.augmentation, self.device, self.generator)
        self.validation = validation_crops(config.validation)
        self.step, self.seconds = 0, 0.0
        self.end: int | None = None
        self.start_of_cooldown: int | None = None
        if state is None:
            self._start()
        parallel.same_everywhere(self.model)
        self.averaged = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self.optimizers = self._optimizers()
        if state is not None:
            self._restore(tensors, moments, state)
        if cooldown is not None and self.start_of_cooldown is None:
            self.cool_down(cooldown)
        if parallel.rank():  # process 0 goes on with the random state of the checkpoint, the others with their own
            self.generator.manual_seed(config.seed + 1000 * parallel.rank() + self.step)
            torch.manual_seed(config.seed + 1000 * parallel.rank() + self.step)

    def _start(self) -> None:
        """Closed form and calibration of a fresh model."""
        solve(self.model, lambda: self.crops.batch(2 * self.config.batch), CLOSED_FORM_BATCHES)
        initialise_biases(self.model)
        biases = [p for name, p in self.model.named_parameters() if name.endswith("out.bias")]
        optimizer = torch.optim.Adam(biases, lr=0.03)
        for _ in range(self.config.calibration):
            self._backward(FloatOps())
            optimizer.step()
            self.model.zero_grad()

    def cool_down(self, steps: int) -> None:
        """Let the rate fall over the next ``steps`` steps, and end the run with them."""
        self.start_of_cooldown, self.end = self.step, self.step + steps

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        heads: list[Tensor] = []
        matrices: list[Tensor] = []
        others: list[Tensor] = []
        for name, p in self.model.named_parameters():
            muon = self.config.optimizer == "muon" and name.endswith(".weight")
            (heads if ".out." in name else matrices if muon else others).append(p)
        groups = [{"params": others, "gain": 1.0}, {"params": heads, "gain": self.config.head_gain}]
        found: list[torch.optim.Optimizer] = [torch.optim.Adam(groups, lr=0.0, betas=(0.9, 0.99))]
        return [*found, Muon([{"params": matrices, "gain": self.config.matrix_gain}])] if matrices else found

    def _backward(self, ops: FloatOps) -> tuple[list[Term], int]:
        images = self.crops.batch(self.config.batch // parallel.world())
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda" and not ops.simulate):
            terms = cascade_terms(self.model, ops, images)
        loss = training_loss(terms, self.model, images.numel(), self.config.side_weight)
        loss.backward()  # type: ignore[no-untyped-call]
        return terms, images.numel()

    def train(self, *, max_steps: int | None = None, max_seconds: float | None = None, report: Callable[[str], None] = print) -> None:
        """Go on until the cool-down's end, ``max_steps`` more steps, or ``max_seconds``, whichever comes first; then save."""
        began = saved = time.monotonic()
        last = self.end if max_steps is None else min(self.step + max_steps, self.end or 1 << 62)
        cooldown = (self.start_of_cooldown, self.end) if self.start_of_cooldown is not None and self.end is not None else None
        sums: Tensor | None = None  # on the device: reading every term every step would make a GPU wait
        count = 0
        seconds_before = self.seconds
        stopping = False
        while not stopping and (last is None or self.step < last):
            rate = learning_rate(self.step, self.config.learning_rate, self.config.warmup, cooldown)
            for optimizer in self.optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = rate * group["gain"]
            # Integers cost little even untrained (docs/experiments.md, 5), and simulating them is slow: the last fifth of a
            # cool-down is enough.
            ops = FloatOps(simulate=cooldown is not None and self.step >= cooldown[0] + 0.8 * (cooldown[1] - cooldown[0]))
            terms, samples = self._backward(ops)
            stopping = max_seconds is not None and time.monotonic() - began > max_seconds
            stopping = parallel.average_gradients(self.model.parameters(), stopping)
            norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
            for optimizer in self.optimizers:
                optimizer.step()
            self.model.zero_grad()
            self._average()
            self.step += 1
            self.seconds = seconds_before + time.monotonic() - began
            bits = torch.stack([term.bits.detach() for term in terms]) / samples
            sums = bits if sums is None else sums + bits
            count += 1
            if parallel.rank():
                continue  # process 0 reports, validates and saves
            if self.step % 100 == 0:
                found = self._by_name([term._replace(bits=total) for term, total in zip(terms, (sums / count).cpu(), strict=True)])
                self._log({"kind": "train", "lr": rate, "grad_norm": float(norm), "bits_per_dim": found})
                report(f"step {self.step}  {found[self.model.schedule.path_names[0]]:.4f} bits/dim  {self.seconds:.0f} s")
                sums, count = None, 0
            if self.step % self.config.validate_every == 0:
                report(f"step {self.step}  {self.validate(ops)}")
            if time.monotonic() - saved > self.config.save_every_s:
                self.save()
                saved = time.monotonic()
        if parallel.rank() == 0:
            self.save()

    def _by_name(self, terms: list[Term], divisor: float = 1.0) -> dict[str, float]:
        """Bits of every path and every term, terms of one name added up, over ``divisor``."""
        levels = {term.level: self.model.schedule.level(term.level) for term in terms}
        found = {path: float(path_bits(terms, levels, path)) / divisor for path in self.model.schedule.path_names}
        for term in terms:
            key = f"level{term.level}/{term.unit}/step{term.step}/{term.kind}"
            found[key] = found.get(key, 0.0) + float(term.bits) / divisor
        return found

    def _average(self) -> None:
        # A young average follows quickly, an old one is steady.
        decay = min(self.config.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            names, live = zip(*self.model.named_parameters(), strict=True)
            torch._foreach_lerp_([self.averaged[name] for name in names], list(live), 1 - decay)

    def validate(self, ops: FloatOps) -> dict[str, float]:
        """Bits per dimension of the averaged weights on every validation source and path; logged."""
        result: dict[str, float] = {}
        for name, terms in self.validation_terms(ops).items():
            result |= {f"{name}/{key}": value for key, value in self._by_name(terms, self.validation[name].numel()).items()}
        self._log({"kind": "validation", "simulated": ops.simulate, "bits_per_dim": result})
        return {k: round(v, 4) for k, v in result.items() if "level" not in k}

    @torch.no_grad()
    def validation_terms(self, ops: FloatOps) -> dict[str, list[Term]]:
        """Terms of the averaged weights on the crops of every validation source."""
        live = {name: p.detach().clone() for name, p in self.model.named_parameters()}
        self._load(self.averaged)
        random_state = torch.get_rng_state()
        torch.manual_seed(0)  # the same latents every time
        found = {
            name: [term for part in torch.split(images, 4) for term in cascade_terms(self.model, ops, part.to(self.device))]
            for name, images in self.validation.items()
        }
        torch.set_rng_state(random_state)
        self._load(live)
        return found

    def _load(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                p.copy_(values[name])

    def _log(self, entry: dict[str, Any]) -> None:
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps({"step": self.step, "seconds": round(self.seconds, 1), **entry}) + "\n")

    def save(self) -> None:
        """Write the checkpoint ``last``."""
        tensors = {f"model.{k}": v.cpu() for k, v in self.model.state_dict().items()}
        tensors |= {f"averaged.{k}": v.cpu() for k, v in self.averaged.items()}
        moments: dict[str, Tensor] = {}
        for name, p in self.model.named_parameters():
            for optimizer in self.optimizers:
                kept = optimizer.state.get(p, {})
                moments |= {f"{name}.{short}": kept[key].cpu() for key, short in MOMENTS.items() if key in kept}
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "config": self.config.to_dict(),
            "cooldown": [self.start_of_cooldown, self.end],
            "random": [torch.get_rng_state().numpy().tobytes().hex(), self.generator.get_state().numpy().tobytes().hex()],
        }
        write_checkpoint(self.folder / "last.safetensors", tensors, moments, state)

    def _restore(self, tensors: dict[str, Tensor], moments: dict[str, Tensor] | None, state: dict[str, Any]) -> None:
        self.model.load_state_dict({k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")})
        self.averaged = {k.removeprefix("averaged."): v.to(self.device) for k, v in tensors.items() if k.startswith("averaged.")}
        if moments is not None:
            self._restore_moments(moments, state["step"])
        self.step, self.seconds = state["step"], state["seconds"]
        self.start_of_cooldown, self.end = state["cooldown"]
        main, crops = (torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8) for text in state["random"])
        torch.set_rng_state(main)
        self.generator.set_state(crops)

    def _restore_moments(self, moments: dict[str, Tensor], step: int) -> None:
        """Hand the kept averages to the optimisers. A weight that lacks one, since the run has changed its optimiser, starts without."""
        names = {p: name for name, p in self.model.named_parameters()}
        for optimizer in self.optimizers:
            needed = ["exp_avg"] if isinstance(optimizer, Muon) else list(MOMENTS)
            for p in (p for group in optimizer.param_groups for p in group["params"]):
                kept = {key: moments[name] for key in needed if (name := f"{names[p]}.{MOMENTS[key]}") in moments}
                if len(kept) == len(needed):
                    kept = {key: value.to(self.device).clone(memory_format=torch.preserve_format) for key, value in kept.items()}
                    optimizer.state[p] = kept if isinstance(optimizer, Muon) else {"step": torch.tensor(float(step)), **kept}
