"""Data parallelism under ``torchrun``: one process a GPU, or one a core (two single-threaded processes train faster than one with two
threads).

Gradients are averaged once a step in one flat tensor. A process that was not started by ``torchrun`` is alone, and nothing here does
anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["average_gradients", "local_device", "rank", "same_everywhere", "start", "stop", "world"]


def start(device: str) -> None:
    """Join the other processes, if ``torchrun`` started any."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")


def stop() -> None:
    """Leave the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()


def rank() -> int:
    """Number of this process, 0 for one that is alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def local_device(device: str) -> torch.device:
    """The device of this process: each has its own GPU."""
    if device == "cuda" and world() > 1:
        return torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    return torch.device(device)


def same_everywhere(module: nn.Module) -> None:
    """Give every process the parameters and buffers of process 0."""
    if dist.is_initialized():
        for tensor in [*module.parameters(), *module.buffers()]:
            data = tensor.detach().contiguous()
            dist.broadcast(data, 0)
            tensor.detach().copy_(data)


def average_gradients(parameters: Iterable[nn.Parameter], stopping: bool) -> bool:
    """Average the gradients over all processes, in place; returns whether process 0 said ``stopping``: all end with the same step."""
    if not dist.is_initialized():
        return stopping
    gradients = [p.grad for p in parameters if p.grad is not None]
    flag = gradients[0].new_tensor([float(stopping and rank() == 0)])
    flat = torch.cat([flag, *(g.flatten() for g in gradients)])
    dist.all_reduce(flat)
    position = 1
    for gradient in gradients:
        part: Tensor = flat[position : position + gradient.numel()]
        gradient.copy_(part.view(gradient.shape) / world())
        position += gradient.numel()
    return bool(flat[0] > 0)
