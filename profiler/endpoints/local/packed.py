"""Linear layers whose weights lie as the processor reads them: a token of one text costs half as much to write.

torch lays a layer's weights out anew whenever it is used. Imports torch, as what uses it does.
"""

import torch
from torch import nn

ROWS = 64
"""How many rows at a time the weights are laid out for; others are as right, and hardly slower."""


class PackedLinear(nn.Module):
    """A linear layer that can't be trained."""

    weight: torch.Tensor

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__()
        self.bias = plain.bias
        packed = torch.ops.mkldnn._reorder_linear_weight(plain.weight.detach(), ROWS)
        self.register_buffer("weight", packed, persistent=False)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(rows, self.weight, self.bias, "none", [], "")
        return made


def pack(model: nn.Module) -> None:
    """Pack a model's plain linear layers on the processor, one after the other: memory for one more is enough."""
    for parent in list(model.modules()):
        for name, layer in parent.named_children():
            if type(layer) is nn.Linear and layer.weight.device.type == "cpu":
                setattr(parent, name, PackedLinear(layer))


@torch.inference_mode()
def runs(model: nn.Module) -> bool:
    """Whether an architecture is content with packed layers: one that reads their weights itself is not."""
    try:
        model(input_ids=torch.zeros((1, 2), dtype=torch.long))
    except (RuntimeError, ValueError, TypeError, AttributeError):
        return False
    return True
