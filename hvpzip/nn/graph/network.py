"""The graph: one network a level, in which every step corrects a closed-form prediction and hands its features on.

    coarse image -> trunk -> f0 -> head of a step on hh
                              |-> side branch (a latent) -> head of the step that reads it
                              '-> carry(hh) -> f1 -> head hl ... carry(hl) -> f2 -> head lh

Units that are revealed at once share the branch that carries them, latents that are read together their side branch: it bears the name of
the last one, and reads the inputs of all.

The grid is that of the coarse image, so a position stands for 2x2 samples of the finer one. Features from latents stay in their side
branch; carried features come from exact values alone (docs/design.md, Schedule). The same code runs in float for training and in
integers for coding (``ops.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from hvpzip.diffusion.likelihood import COUPLINGS, output_channels
from hvpzip.diffusion.schedule import LevelSchedule, Schedule
from hvpzip.nn.config import NetworkConfig
from hvpzip.nn.formats import COARSE_CHANNELS, COARSE_ENERGIES, ENERGY_SHIFT, MEAN_SHIFT, UNIT_CHANNELS
from hvpzip.nn.graph import features
from hvpzip.nn.graph.ops import Conv, Ops

__all__ = ["Cascade", "LevelNetwork", "Prediction", "State"]


class State(NamedTuple):
    """What is known inside a level: carried features, the closed forms' sums over the planes revealed so far, and latents' innovations."""

    carried: Tensor  # (B, C, h, w) in the arithmetic's own format
    means: Mapping[int, Tensor]  # by step: (B, 3, h, w) integers, MEAN_SHIFT bits finer than a prediction
    scales: Mapping[int, Tensor]  # by step: (B, 3, h, w) integers, ENERGY_SHIFT bits finer than a log-scale
    innovations: Mapping[
        int, Tensor
    ] = {}  # by latent, in a side branch: (B, 3, h, w) integers in 1/64, it minus its closed-form prediction
    pending: tuple[Tensor, ...] = ()  # inputs of what is revealed at once with more, for the branch that they share


class Prediction(NamedTuple):
    """What a step says of its unit, in the arithmetic's own format.

    Attributes:
        mean: ``(B, 3, h, w)`` closed-form prediction, integers in 1/64 of a sample.
        log2_scale: ``(B, 3, h, w)`` closed-form log2 of the scale, integers in 1/64 octave.
        coupling: ``(3,)`` closed-form couplings, integers in 1/64.
        corrections: ``(B, output_channels, h, w)`` the head's output.
        innovation: ``(B, 3, h, w)`` latent minus its prediction, integers in 1/64; None where the step reads no latent.
    """

    mean: Tensor
    log2_scale: Tensor
    coupling: Tensor
    corrections: Tensor
    innovation: Tensor | None


class Block(nn.Module):
    """Residual block: activate, 3x3, activate, 1x1, add."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spatial = Conv(channels, channels, 3, gain=1.4)
        self.mix = Conv(channels, channels, 1, gain=0.3)

    def forward(self, ops: Ops, f: Tensor) -> Tensor:
        return ops.conv_carry(self.mix, ops.conv_activate(self.spatial, ops.activate(f)), f)


class Branch(nn.Module):
    """Adds new inputs to the carried features, then refines them."""

    def __init__(self, inputs: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.embed = Conv(inputs, channels, 3, gain=1.0)
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))

    def forward(self, ops: Ops, inputs: Tensor, f: Tensor | None) -> Tensor:
        f = ops.conv_carry(self.embed, ops.inputs(inputs), f)
        for block in self.blocks:
            f = block(ops, f)
        return f


class Head(nn.Module):
    """From carried features to a step's corrections."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.hidden = Conv(channels, channels, 1, gain=1.4)
        self.out = Conv(channels, outputs, 1, gain=0.0)

    def forward(self, ops: Ops, f: Tensor) -> Tensor:
        return ops.conv_out(self.out, ops.conv_activate(self.hidden, ops.activate(f)))


class ClosedForm(nn.Module):
    """Frozen integer weights of a step's linear mean and log-scale, solved before training (buffers: the optimiser never sees them).

    Args:
        planes: Known planes (each of three colours).
        energies: Channels of log-energies.
    """

    mean_weight: Tensor
    mean_bias: Tensor
    scale_weight: Tensor
    scale_bias: Tensor
    coupling: Tensor

    def __init__(self, planes: int, energies: int) -> None:
        super().__init__()
        self.register_buffer("mean_weight", torch.zeros(3, 3 * planes, 3, 3))
        self.register_buffer("mean_bias", torch.zeros(3))
        self.register_buffer("scale_weight", torch.zeros(3, energies, 3, 3))
        self.register_buffer("scale_bias", torch.zeros(3))
        self.register_buffer("coupling", torch.zeros(COUPLINGS))


class LevelNetwork(nn.Module):
    """Network of one level (or of all coarse ones): ``begin``, then ``predict`` and ``reveal`` step by step, all functional."""

    def __init__(self, config: NetworkConfig, schedule: LevelSchedule) -> None:
        super().__init__()
        self.schedule = schedule
        self.transform = config.transform
        channels = config.channels
        self.trunk = Branch(COARSE_CHANNELS, channels, config.trunk_blocks)
        # The last group's reveal feeds nothing in this level, so it has no branch.
        self.carry = nn.ModuleDict(
            {group[-1]: Branch(UNIT_CHANNELS * len(group), channels, config.carry_blocks) for group in schedule.order[:-1]}
        )
        self.side = nn.ModuleDict(
            {str(read[-1]): Branch(UNIT_CHANNELS * len(read), channels, config.side_blocks) for read in schedule.side_branches}
        )
        self.heads = nn.ModuleList(Head(channels, output_channels(config.components, step.given is not None)) for step in schedule.steps)
        self.closed_form = nn.ModuleList()
        for step in schedule.steps:
            known = schedule.known_before(step.unit) + len(step.reads)
            self.closed_form.append(ClosedForm(1 + known, COARSE_ENERGIES + UNIT_CHANNELS * known))

    def begin(self, ops: Ops, coarse: Tensor) -> State:
        """State in which only the coarser image ``(B, 3, h, w)`` is known."""
        inputs, energies = features.coarse_inputs(coarse)
        forms = self._forms(range(len(self.schedule.steps)))
        means = {step: form.mean_bias[:, None, None] for step, form in forms.items()}
        scales = {step: form.scale_bias[:, None, None] for step, form in forms.items()}
        return State(self.trunk(ops, inputs, None), *self._known(forms, 0, means, scales, coarse, energies))

    def linear_mean(self, state: State, step: int) -> Tensor:
        """Closed-form prediction of the step's unit: ``(B, 3, h, w)`` integers in 1/64."""
        return features.round_shift(state.means[step], MEAN_SHIFT)

    def predict(self, ops: Ops, state: State, step: int, head: Head | None = None) -> Prediction:
        """Parameters of the step, by ``head`` instead of its own where one is given. ``state`` must come from the reveals that the schedule
        names before it.
        """
        log2_scale = features.round_shift(state.scales[step], ENERGY_SHIFT)
        coupling = self._forms([step])[step].coupling
        corrections = (head or self.heads[step])(ops, state.carried)
        given = self.schedule.steps[step].given
        innovation = None if given is None else state.innovations[given]
        return Prediction(self.linear_mean(state, step), log2_scale, coupling, corrections, innovation)

    def reveal(self, ops: Ops, state: State, step: int, values: Tensor) -> State:
        """State after the step's unit is known: a latent opens a side branch, an exact unit goes on with the carried features. What is
        revealed at once is revealed one after the other; the state is whole after the last.

        Args:
            state: Before any latent of this unit (latents are never carried on).
            step: A latent step, or any exact step of the unit.
            values: ``(B, C, h, w)`` in sample units: the first C colours. Those that are not known are taken as predicted.
        """
        spec = self.schedule.steps[step]
        place = self.schedule.place(step)
        mean = self.linear_mean(state, self.schedule.reference(step))
        values = torch.cat([values, features.round_shift(mean[:, values.shape[1] :], 6)], 1)
        inputs, energies = features.unit_inputs(values, mean)
        means, scales = self._known(self._forms(self.schedule.readers(step)), 1 + place, state.means, state.scales, values, energies)
        innovations = {**state.innovations, step: 64 * values - mean} if spec.is_latent else {}
        whole = (*state.pending, inputs)
        if not self.schedule.is_last_at_once(step):
            # Those still to come are compared with what was known before.
            return State(state.carried, {**state.means, **means}, {**state.scales, **scales}, innovations, whole)
        branch = self.side[str(step)] if spec.is_latent else self.carry[spec.unit]
        return State(branch(ops, torch.cat(whole, 1), state.carried), means, scales, innovations)

    def _forms(self, steps: Iterable[int]) -> dict[int, ClosedForm]:
        found = {}
        for step in steps:
            form = self.closed_form[step]
            assert isinstance(form, ClosedForm)
            found[step] = form
        return found

    @staticmethod
    def _known(
        forms: dict[int, ClosedForm],
        plane: int,
        means: Mapping[int, Tensor],
        scales: Mapping[int, Tensor],
        values: Tensor,
        energies: Tensor,
    ) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
        """The sums for means and log-scales of the steps of ``forms``, with what a plane adds to them: one convolution for all steps.

        Partial sums are bounded like whole ones, so this is as exact as one convolution over all planes.
        """
        if not forms:
            return {}, {}
        first = COARSE_ENERGIES + UNIT_CHANNELS * (plane - 1) if plane else 0
        mean_weights = [form.mean_weight[:, 3 * plane : 3 * plane + 3] for form in forms.values()]
        scale_weights = [form.scale_weight[:, first : first + energies.shape[1]] for form in forms.values()]
        more = features.window_sums(values, torch.cat(mean_weights)).chunk(len(forms), 1)
        louder = features.window_sums(energies, torch.cat(scale_weights)).chunk(len(forms), 1)
        return (
            {step: means[step] + part for step, part in zip(forms, more, strict=True)},
            {step: scales[step] + part for step, part in zip(forms, louder, strict=True)},
        )


class Cascade(nn.Module):
    """All level networks. ``level(1)`` is the finest; the last network serves every coarser level."""

    def __init__(self, config: NetworkConfig, schedule: Schedule) -> None:
        super().__init__()
        self.config = config
        self.schedule = schedule
        self.networks = nn.ModuleList(LevelNetwork(config, schedule.level(i + 1)) for i in range(config.networks))

    def level(self, number: int) -> LevelNetwork:
        """The network of level ``number`` (1 = finest)."""
        network = self.networks[min(number, len(self.networks)) - 1]
        assert isinstance(network, LevelNetwork)
        return network
