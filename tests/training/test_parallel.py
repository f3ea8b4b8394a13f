"""Several processes train as one: the same weights, averaged gradients, one end."""

import socket
import sys
from contextlib import ExitStack

import pytest
import torch

from hvpzip.training import parallel
from tests.helpers.children import ENVIRONMENT, child

PROCESS = """
import torch
from hvpzip.training import parallel

parallel.start("cpu")
number = parallel.rank()
torch.manual_seed(number)
layer = torch.nn.Linear(2, 1)
parallel.same_everywhere(layer)
weight = layer.weight.detach().clone()
layer(torch.tensor([[1.0 + number, 2.0]])).sum().backward()
stopping = [parallel.average_gradients(layer.parameters(), said) for said in (number == 1, number == 0)]
print(parallel.world(), number, weight.tolist(), layer.weight.grad.tolist(), stopping, parallel.local_device("cpu"), flush=True)
parallel.stop()
"""


@pytest.mark.skipif(not torch.distributed.is_available(), reason="this torch has no torch.distributed")
def test_two_processes_have_one_start_one_gradient_and_one_end():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with ExitStack() as stack:
        processes = []
        for number in range(2):
            environment = {
                **ENVIRONMENT, "RANK": str(number), "LOCAL_RANK": str(number), "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
            }  # fmt: skip
            processes.append(stack.enter_context(child([sys.executable, "-c", PROCESS], env=environment, stdout=-1, text=True)))
        told = [process.communicate()[0].split(" ", 2) for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert [line[:2] for line in told] == [["2", "0"], ["2", "1"]]
    assert told[0][2] == told[1][2]  # weights, gradients, stopping, device
    assert "[[1.5, 2.0]] [False, True] cpu" in told[0][2]


def test_a_process_that_is_alone_is_left_as_it_is(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    parallel.start("cpu")
    layer = torch.nn.Linear(2, 1)
    weight = layer.weight.detach().clone()
    parallel.same_everywhere(layer)
    layer(torch.ones(1, 2)).sum().backward()
    assert [parallel.average_gradients(layer.parameters(), stopping) for stopping in (False, True)] == [False, True]
    assert torch.equal(layer.weight, weight)
    assert layer.weight.grad.tolist() == [[1.0, 1.0]]
    assert (parallel.rank(), parallel.world(), parallel.local_device("cpu")) == (0, 1, torch.device("cpu"))
    parallel.stop()
