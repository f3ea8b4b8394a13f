"""Muon: momentum whose matrices are orthogonalised, for the weights of convolutions (K. Jordan et al., 2024).

A gradient's few large singular values decide what Adam does; orthogonalised, all directions move alike. torch has it for two axes and in
bfloat16, which processors without bfloat16 units compute slowly; this one takes convolutions, and all of one shape in one product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Muon", "orthogonalised"]

# The quintic iteration of the reference implementation: singular values from 1e-3 to 1 end between 0.7 and 1.2 after five steps.
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
ADAM_RMS = 0.2  # an update's root mean square for a rate of one, near Adam's: one rate then serves both


def orthogonalised(matrices: Tensor) -> Tensor:
    """``(N, rows, columns)`` with their singular values moved near one, by Newton-Schulz iterations; a new tensor.

    Each iteration multiplies by a polynomial of the Gram matrix, and these commute: so the iterations run on the small square matrices
    alone, and their product is applied once.
    """
    x = matrices / (matrices.flatten(1).norm(dim=1)[:, None, None] + 1e-12)
    tall = x.shape[1] > x.shape[2]
    gram = x.mT @ x if tall else x @ x.mT
    identity = torch.eye(gram.shape[-1], device=x.device)
    product: Tensor = identity
    a, b, c = COEFFICIENTS
    for _ in range(ITERATIONS):
        factor = a * identity + b * gram + c * gram @ gram
        product = factor @ product
        gram = factor @ gram @ factor
    found: Tensor = x @ product if tall else product @ x
    return found


class Muon(torch.optim.Optimizer):
    """Steps of ``lr`` along the orthogonalised Nesterov momentum of every weight ``(outputs, inputs, k, k)``, read as a matrix of
    ``outputs`` rows.

    Args:
        params: Weights, or groups of them.
        lr: Rate, on Adam's scale.
        momentum: Decay of the averaged gradient; it is kept as ``exp_avg``, with Adam's meaning, so either can go on from the other's.
    """

    def __init__(self, params: Iterable[Any], lr: float = 1e-3, momentum: float = 0.95) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every weight that has a gradient."""
        if closure is not None:
            raise ValueError("this optimiser evaluates nothing itself: closure must be None")
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[Tensor]] = {}
            for p in group["params"]:
                if p.grad is not None:
                    shapes.setdefault((p.shape[0], p[0].numel()), []).append(p)
            for (rows, columns), weights in shapes.items():
                updates = torch.stack([self._momentum(p, group["momentum"]).flatten(1) for p in weights])
                updates = orthogonalised(updates) * (ADAM_RMS * max(rows, columns) ** 0.5)
                for p, update in zip(weights, updates, strict=True):
                    p.sub_(update.view(p.shape), alpha=group["lr"])

    def _momentum(self, p: Tensor, decay: float) -> Tensor:
        """The averaged gradient, one step ahead (Nesterov)."""
        state = self.state[p]
        if "exp_avg" not in state:
            state["exp_avg"] = torch.zeros_like(p)
        assert p.grad is not None
        average: Tensor = state["exp_avg"].lerp_(p.grad, 1 - decay)
        return torch.lerp(p.grad, average, decay)
