"""The character GPT of paper B (arXiv 2410.01019), as its authors ran it.

A decoder in nanoGPT's manner, of sub-layers f_1, f_2, ... (attention, MLP, attention, MLP, ...) with a
LayerNorm each and up to three kinds of skip. Sub-layer k of a block computes

    u_k = LN_k(h_k)                      h_1 is the block's input
    x_k = u_k  (normalised stream)       or h_k  (pre-norm stream); see ``redrop.residual_streams``
    h_{k+1} = D1(x_k) + f_k(u_k)
              + D2(x_{k-1})  if k is even and there is a skip-2
              + D4(x_{k-3})  if k = 4     and there is a skip-4 (its blocks are double)

D_p is dropout as first published: a Bernoulli(1-p) mask without rescaling while training, the factor
1 - p in evaluation. So a skip with p = 0.99 is a skip multiplied by 0.01. Every other dropout (summed
embeddings, attention probabilities, after either output projection) is the usual inverted one.

Shapes: B batch, T time, C width, H heads, V symbols.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
import torch.nn as nn
import torch.nn.functional as F

from redrop.models.listening import LISTENERS
from redrop.models.listening import Attention as Attended
from redrop.residual_streams import STREAMS, joined_of
from redrop.spec_language_model import ResidualGPTSpec
from redrop.streams import MaskStream, derive_seed


def inverted_dropout(x: torch.Tensor, rate: float, masks: MaskStream | None) -> torch.Tensor:
    """The usual dropout: scaled by 1/(1 - rate) while training, the identity without ``masks``."""
    rate = 0.0 if masks is None else masks.scale * rate
    if rate == 0.0:
        return x
    if rate == 1.0:
        return x * 0.0  # not a constant: what feeds it keeps a gradient, of zeros, and its weight decay
    return x * masks.mask(x.shape, rate, 1.0 / (1.0 - rate))


def skip_dropout(x: torch.Tensor, rate: float, masks: MaskStream | None) -> torch.Tensor:
    """D_p of the paper's skips: an unscaled mask while training, the factor 1 - ``rate`` without masks."""
    if rate == 0.0:
        return x
    if rate == 1.0:
        return torch.zeros_like(x)
    if masks is None:
        return x * (1.0 - rate)
    return x * masks.mask(x.shape, rate, 1.0)


class Attention(nn.Module):
    """Causal self-attention."""

    def __init__(self, spec: ResidualGPTSpec) -> None:
        super().__init__()
        self.spec = spec
        self.c_attn = nn.Linear(spec.n_embd, 3 * spec.n_embd, bias=False)
        self.c_proj = nn.Linear(spec.n_embd, spec.n_embd, bias=spec.bias != "none")
        width = spec.n_embd // spec.n_head if spec.attention_scale == "head" else spec.n_embd
        self.scale = 1.0 / math.sqrt(width)
        future = torch.full((spec.block_size, spec.block_size), -torch.inf).triu(1)
        self.register_buffer("future_TT", future, persistent=False)

    def forward(self, x_BTC: torch.Tensor, masks: MaskStream | None) -> torch.Tensor:
        """Map (B, T, C) to (B, T, C)."""
        B, T, C = x_BTC.shape
        qkv = self.c_attn(x_BTC).view(B, T, 3, self.spec.n_head, C // self.spec.n_head)
        q_BHTD, k_BHTD, v_BHTD = qkv.permute(2, 0, 3, 1, 4)
        dropped = masks is not None and masks.scale * self.spec.attention_dropout != 0.0
        if not dropped and not LISTENERS:
            y_BHTD = F.scaled_dot_product_attention(q_BHTD, k_BHTD, v_BHTD, is_causal=True, scale=self.scale)
        else:
            # Written out because the mask is ours; on a CPU it is also faster than the fused call.
            scores_BHTT = (q_BHTD * self.scale) @ k_BHTD.transpose(-2, -1)
            weights_BHTT = (scores_BHTT + self.future_TT[:T, :T]).softmax(-1)
            dropped_BHTT = inverted_dropout(weights_BHTT, self.spec.attention_dropout, masks)
            for listener in LISTENERS:
                listener(Attended(self, scores_BHTT, weights_BHTT, dropped_BHTT))
            y_BHTD = dropped_BHTT @ v_BHTD
        y_BTC = self.c_proj(y_BHTD.transpose(1, 2).reshape(B, T, C))
        return inverted_dropout(y_BTC, self.spec.attention_output_dropout, masks)


class MLP(nn.Module):
    """Two linear layers, four times as wide between them."""

    def __init__(self, spec: ResidualGPTSpec) -> None:
        super().__init__()
        self.spec = spec
        self.c_fc = nn.Linear(spec.n_embd, 4 * spec.n_embd, bias=spec.bias != "none")
        self.c_proj = nn.Linear(4 * spec.n_embd, spec.n_embd, bias=spec.bias != "none")
        self.activation = F.gelu if spec.activation == "gelu" else F.relu

    def forward(self, x_BTC: torch.Tensor, masks: MaskStream | None) -> torch.Tensor:
        """Map (B, T, C) to (B, T, C)."""
        y_BTC = self.c_proj(self.activation(self.c_fc(x_BTC)))
        return inverted_dropout(y_BTC, self.spec.mlp_dropout, masks)


class Block(nn.Module):
    """Two sub-layers, or four where a skip spans four; the module's docstring has the equations."""

    def __init__(self, spec: ResidualGPTSpec) -> None:
        super().__init__()
        self.spec = spec
        self.carried = STREAMS[spec.residual_stream].carried
        self.joined = joined_of(spec.residual_stream)
        self.norms = nn.ModuleList()
        self.sublayers = nn.ModuleList()
        for kind in spec.block:
            self.norms.append(nn.LayerNorm(spec.n_embd, bias=spec.bias != "none"))
            self.sublayers.append(Attention(spec) if kind == "attention" else MLP(spec))

    def forward(self, h_BTC: torch.Tensor, masks: MaskStream | None) -> torch.Tensor:
        """Map (B, T, C) to (B, T, C)."""
        spec = self.spec
        inputs: list[torch.Tensor] = []
        for k, (norm, sublayer) in enumerate(zip(self.norms, self.sublayers, strict=True), 1):
            u_BTC = norm(h_BTC)
            inputs.append(self.carried(h_BTC, u_BTC))
            if k == 4 and spec.last_mlp_input == "second":
                u_BTC = inputs[1]
            skip_BTC = skip_dropout(inputs[-1], spec.skip1_dropout, masks)
            h_BTC = self.joined(skip_BTC, sublayer(u_BTC, masks))
            if k % 2 == 0 and spec.skip2_dropout is not None:
                h_BTC = h_BTC + skip_dropout(inputs[-2], spec.skip2_dropout, masks)
            if k == 4 and spec.skip4_dropout is not None:
                h_BTC = h_BTC + skip_dropout(inputs[-4], spec.skip4_dropout, masks)
        return h_BTC


class ResidualGPT(nn.Module):
    """Token and position embeddings, ``spec.n_block`` blocks, a LayerNorm, a linear layer over V symbols.

    Modules are created in nanoGPT's order, because creation order decides which random numbers a
    parameter gets. Use ``build``, which seeds the initialisation.
    """

    def __init__(self, spec: ResidualGPTSpec, vocab_size: int) -> None:
        super().__init__()
        self.spec = spec
        self.wte = nn.Embedding(vocab_size, spec.n_embd)
        self.wpe = nn.Embedding(spec.block_size, spec.n_embd)
        self.blocks = nn.ModuleList(Block(spec) for _ in range(spec.n_block))
        self.ln_f = nn.LayerNorm(spec.n_embd, bias=spec.bias != "none")
        self.lm_head = nn.Linear(spec.n_embd, vocab_size, bias=spec.bias != "none")
        if spec.tied_embedding:
            self.wte.weight = self.lm_head.weight
        if spec.initialisation != "torch":
            self.apply(_initialise)
            depth = spec.n_block if spec.initialisation == "nanogpt" else spec.n_layer
            branches = 2 * depth if "mlp" in spec.block else depth
            deviation = 0.02 / math.sqrt(branches)
            for name, parameter in self.named_parameters():
                if name.endswith("c_proj.weight"):
                    nn.init.normal_(parameter, mean=0.0, std=deviation)

    def forward(self, tokens_BT: torch.Tensor, masks: MaskStream | None = None) -> torch.Tensor:
        """Logits (B, T, V) of the next symbol at every position, from int64 tokens (B, T).

        ``masks`` is the run's dropout stream; without it the model is the dropout-free one of
        evaluation. In training mode its absence is an error unless every rate is 0 or 1.
        """
        if self.training and masks is None and self._draws():
            raise ValueError("a model in training mode needs its dropout stream: pass masks=...")
        if masks is not None:
            masks.begin()
        positions_TC = self.wpe.weight[: tokens_BT.shape[1]]
        h_BTC = self.wte(tokens_BT) + positions_TC
        h_BTC = inverted_dropout(h_BTC, self.spec.embedding_dropout, masks)
        for block in self.blocks:
            h_BTC = block(h_BTC, masks)
        return self.lm_head(self.ln_f(h_BTC))

    def _draws(self) -> bool:
        spec = vars(self.spec)
        return any(rate for name, rate in spec.items() if name.endswith("_dropout"))


def _initialise(module: nn.Module) -> None:
    """N(0, 0.02) for matrices, zeros for biases (nanoGPT)."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, mean=0.0, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def build(spec: ResidualGPTSpec, vocab_size: int, seed: int) -> ResidualGPT:
    """A freshly initialised model on the CPU, the same for the same arguments on every machine.

    Numbers come from torch's CPU generator in nanoGPT's order; the global generator is left as it was.
    With ``initialisation_seed: run`` it is seeded with ``seed`` itself, as nanoGPT does with 1337.
    """
    derived = derive_seed(seed, "initialisation")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed if spec.initialisation_seed == "run" else derived)
        return ResidualGPT(spec, vocab_size)


def without_dropout(spec: ResidualGPTSpec) -> ResidualGPTSpec:
    """The same architecture with every rate 0 (skips that are absent stay absent)."""
    rates = {k: 0.0 for k, v in vars(spec).items() if k.endswith("_dropout") and v is not None}
    return replace(spec, **rates)
