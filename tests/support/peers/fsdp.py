"""One of two processes that take a step together, sharded as training/fsdp.yaml says, on a processor.

accelerate launch --config_file training/fsdp.yaml --num_processes 2 -m tests.support.peers.fsdp STUDENT OUT
"""

from __future__ import annotations

import sys
from typing import Any

import torch

ROWS = torch.arange(4 * 12).reshape(4, 12) % 300 + 5


def step(model: Any, optimizer: torch.optim.Optimizer, rows: torch.Tensor, backward: Any) -> float:
    """One step of learning ROWS; the loss before it."""
    loss = model(input_ids=rows, labels=rows).loss
    backward(loss)
    optimizer.step()
    return float(loss.detach())


def main() -> None:
    from accelerate import Accelerator, FullyShardedDataParallelPlugin
    from accelerate.utils import DistributedType
    from torch.distributed.tensor import DTensor
    from transformers import AutoModelForCausalLM

    accelerator = Accelerator(cpu=True)
    # accelerate shards on GPUs alone; told that it has some, it does the same on a processor, through gloo.
    accelerator.state.fsdp_plugin = FullyShardedDataParallelPlugin()
    accelerator.state.distributed_type = DistributedType.FSDP
    model: Any = AutoModelForCausalLM.from_pretrained(sys.argv[1])
    model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=0.5))
    mine = ROWS[accelerator.process_index :: accelerator.num_processes]
    loss = accelerator.reduce(torch.tensor(step(model, optimizer, mine, accelerator.backward)), "mean")
    sharded = sum(isinstance(one, DTensor) for one in model.parameters())
    weights = {name: one.full_tensor().detach() for name, one in model.named_parameters()}
    if accelerator.is_main_process:
        torch.save({"loss": float(loss), "sharded": sharded, "weights": weights}, sys.argv[2])


if __name__ == "__main__":
    main()
