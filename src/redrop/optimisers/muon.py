"""Muon with weight decay (Muon is Scalable for LLM Training, arXiv 2502.16982), as torch has it.

    M <- mu M + (1 - mu) G;  O = orthogonalised (Nesterov: (1 - mu) G + mu M) by five Newton-Schulz steps
    W <- (1 - lr lambda) W - lr 0.2 sqrt(max(rows, columns)) O

The factor makes a step as large as AdamW's commonly is, so that rate and decay can be AdamW's. On hidden
matrices only: embeddings, positions, the output layer (also where it is the embedding's), norms and biases
are AdamW's. The fused matrix of query, key and value is orthogonalised as one, or with ``split_qkv`` as
three.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from redrop.optimisers import decay_groups
from redrop.settings import Option

if TYPE_CHECKING:
    import torch

    from redrop.spec import OptimiserSpec

OPTIONS = {"momentum": Option(0.95, 0.0, 1.0), "split_qkv": Option(False)}
FUSED = "c_attn"
"""What paper B's model calls the layer of query, key and value."""


def groups(model: torch.nn.Module, spec: OptimiserSpec, options: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Hidden matrices in so many ``parts`` each; none: what is AdamW's."""
    hidden = hidden_matrices(model)
    named = [
        module for name, module in model.named_modules() if name.endswith(FUSED) and options["split_qkv"]
    ]
    fused = {p for module in named for p in module.parameters() if p in hidden}
    decay = {"weight_decay": spec.weight_decay}
    matrices = [
        {"params": [p for p in hidden if p not in fused], "parts": 1, **decay},
        {"params": [p for p in hidden if p in fused], "parts": 3, **decay},
    ]
    others = decay_groups((p for p in model.parameters() if p not in hidden), spec)
    return [group for group in matrices if group["params"]] + [{**group, "parts": 0} for group in others]


def hidden_matrices(model: torch.nn.Module) -> dict[torch.Tensor, None]:
    """Parameters with two axes that are neither an embedding's nor the last linear layer's, in order."""
    import torch

    linear = [module for module in model.modules() if isinstance(module, torch.nn.Linear)]
    ends = [module for module in model.modules() if isinstance(module, torch.nn.Embedding)] + linear[-1:]
    of_ends = {p for module in ends for p in module.parameters()}
    return {p: None for p in model.parameters() if p.dim() == 2 and p not in of_ends}


def make(
    groups: list[dict[str, Any]], spec: OptimiserSpec, options: Mapping[str, Any]
) -> torch.optim.Optimizer:
    """Both of torch."""
    import torch

    from redrop.optimisers import adamw
    from redrop.optimisers._torch import Joined

    parts = {
        p: [view.detach() for view in p.chunk(group["parts"])]
        for group in groups
        for p in group["params"]
        if group["parts"] > 1
    }
    matrices = [
        view for group in groups if group["parts"] for p in group["params"] for view in parts.get(p, [p])
    ]
    muon = torch.optim.Muon(
        matrices,
        weight_decay=spec.weight_decay,
        momentum=options["momentum"],
        adjust_lr_fn="match_rms_adamw",
    )
    others = [
        {key: group[key] for key in ("params", "weight_decay")} for group in groups if not group["parts"]
    ]
    return Joined(groups, [muon, adamw.make(others, spec, {})], parts)
