"""Several models of ``residual_gpt`` at once, along a leading model axis.

The models share an architecture and differ in dropout rates and parameters. What one of them computes
does not depend on the others: every product, norm and softmax is over its own slice, and its masks come
from its own stream, drawn where and in the order in which ``residual_gpt`` draws them. Tests hold the two
files against each other, losses and gradients, for every variant of the architecture.

Shapes: M models, N = batch x time, and those of ``residual_gpt``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from redrop.errors import ConfigError
from redrop.models.residual_gpt import ResidualGPT, build
from redrop.residual_streams import STREAMS, joined_of
from redrop.spec_language_model import ResidualGPTSpec
from redrop.streams import MaskStream

RATES = tuple(f.name for f in dataclasses.fields(ResidualGPTSpec) if f.name.endswith("_dropout"))
FREE = (*RATES, "initialisation", "initialisation_seed")
"""Settings in which the models of a pack may differ (but a skip is there for all of them or for none)."""


def architecture(spec: ResidualGPTSpec) -> tuple[object, ...]:
    """What models must have in common to be computed together."""
    fixed = [getattr(spec, f.name) for f in dataclasses.fields(spec) if f.name not in FREE]
    return (*fixed, spec.skip2_dropout is None, spec.skip4_dropout is None)


class PackMasks:
    """The dropout streams of a pack's models, drawn side by side."""

    def __init__(self, streams: Sequence[MaskStream]) -> None:
        self.streams = list(streams)
        self.scale = 1.0
        """What a dropout schedule multiplies the rates of inverted dropout by just now."""
        self._columns: dict[tuple[tuple[float, ...], bool, int], tuple[torch.Tensor, torch.Tensor]] = {}

    def begin(self) -> None:
        """A forward pass begins; see ``MaskStream.begin``."""
        for stream in self.streams:
            stream.begin()

    def rescale(self, scale: float) -> bool:
        """Set ``scale``; whether a CUDA graph has to be captured anew, because other sites draw now."""
        if scale == self.scale:
            return False
        ends = {0.0, 1.0} & {scale, self.scale}
        self.scale = scale
        for (rates, inverted, _), columns in self._columns.items():
            for column, values in zip(columns, self._thresholds(rates, inverted), strict=True):
                column.copy_(torch.tensor(values).view_as(column))  # where a graph reads them
        return bool(ends)

    def _scaled(self, rates: tuple[float, ...], inverted: bool) -> tuple[float, ...]:
        return tuple(self.scale * rate for rate in rates) if inverted else rates

    def _thresholds(self, rates: tuple[float, ...], inverted: bool) -> tuple[list[float], list[float]]:
        """From which uniform number on each model keeps, and what it multiplies by."""
        scaled = self._scaled(rates, inverted)
        return list(scaled), [_keep_value(rate, inverted) for rate in scaled]

    def draw(
        self, shape: tuple[int, ...], rates: tuple[float, ...], *, inverted: bool, device: torch.device
    ) -> torch.Tensor:
        """A mask (M, *shape): one stream a model; a model with rate 0 or 1 draws nothing."""
        if self.streams[0].generator is not None:
            return self._draw_in_bulk(shape, rates, inverted)
        masks = torch.empty((len(rates), *shape), device=device)
        for mask, stream, rate in zip(masks, self.streams, self._scaled(rates, inverted), strict=True):
            if 0.0 < rate < 1.0:
                stream.fill(mask, rate, _keep_value(rate, inverted))
            else:
                mask.fill_(1.0 - rate)
        return masks

    def _draw_in_bulk(self, shape: tuple[int, ...], rates: tuple[float, ...], inverted: bool) -> torch.Tensor:
        """The masks that ``MaskStream.mask`` gives, with as few kernels for all models as for one.

        Each model's numbers come from its own stream, which draws them for many sites at once.
        """
        count = math.prod(shape)
        idle = torch.zeros(count, device=self.streams[0].device)  # at least rate 0, below rate 1
        numbers = [
            stream.uniform(count) if 0.0 < rate < 1.0 else idle
            for stream, rate in zip(self.streams, self._scaled(rates, inverted), strict=True)
        ]
        masks = torch.stack(numbers).view(-1, *shape)
        key = (rates, inverted, masks.dim())
        if key not in self._columns:  # kept: a CUDA graph may not copy from the host
            column = (-1, *[1] * (masks.dim() - 1))
            values = self._thresholds(rates, inverted)
            at_least, keep = (torch.tensor(part, device=masks.device).view(column) for part in values)
            self._columns[key] = (at_least, keep)
        at_least, keep = self._columns[key]
        return masks.ge_(at_least).mul_(keep)


def _keep_value(rate: float, inverted: bool) -> float:
    return 1.0 / (1.0 - rate) if inverted and rate < 1.0 else 1.0


class ResidualPack:
    """M models whose parameters lie in one buffer, so that the optimiser sees two tensors.

    ``parameters`` maps the names of ``residual_gpt`` to leaves (M, ...), views of ``buffer``;
    ``gradient`` is a buffer of the same layout in which ``backward`` leaves their gradients. Matrices come
    first: the first ``n_matrix`` numbers are those with weight decay where only matrices have it.
    """

    def __init__(
        self,
        specs: Sequence[ResidualGPTSpec],
        vocab_size: int,
        seeds: Sequence[int],
        device: torch.device,
    ) -> None:
        if len({architecture(spec) for spec in specs}) != 1:
            raise ConfigError("models of different architectures cannot be trained as one pack")
        self.specs, self.spec = list(specs), specs[0]
        self.vocab_size, self.device, self.size = vocab_size, device, len(specs)
        self.rates = {name: tuple(getattr(spec, name) or 0.0 for spec in specs) for name in RATES}
        singles = [
            dict(build(spec, vocab_size, seed).named_parameters())
            for spec, seed in zip(specs, seeds, strict=True)
        ]
        names = sorted(singles[0], key=lambda name: singles[0][name].dim() < 2)  # stable: matrices first
        self.n_matrix = sum(singles[0][name].numel() for name in names if singles[0][name].dim() >= 2)
        self.n_matrix *= self.size
        stacked = [torch.stack([single[name].detach() for single in singles]) for name in names]
        self.buffer = torch.cat([leaf.flatten() for leaf in stacked]).to(device)
        self.gradient = torch.zeros_like(self.buffer)
        sizes = [leaf.numel() for leaf in stacked]
        self.parameters: dict[str, torch.Tensor] = {}
        parts = zip(names, stacked, self.buffer.split(sizes), self.gradient.split(sizes), strict=True)
        for name, leaf, values, gradients in parts:
            self.parameters[name] = values.view(leaf.shape).requires_grad_()
            self.parameters[name].grad = gradients.view(leaf.shape)
        future = torch.full((self.spec.block_size, self.spec.block_size), -torch.inf, device=device)
        self.future_TT = future.triu(1)
        self.first_row_M1 = vocab_size * torch.arange(self.size, device=device)[:, None]
        width = (
            self.spec.n_embd // self.spec.n_head if self.spec.attention_scale == "head" else self.spec.n_embd
        )
        self.scale = 1.0 / math.sqrt(width)

    def views(self, buffer: torch.Tensor) -> dict[str, torch.Tensor]:
        """The parts of a buffer of this layout, by parameter name, (M, ...) each."""
        shapes = {name: leaf.shape for name, leaf in self.parameters.items()}
        parts = buffer.split([shape.numel() for shape in shapes.values()])
        return {name: part.view(shapes[name]) for name, part in zip(shapes, parts, strict=True)}

    def single(self, number: int) -> ResidualGPT:
        """One of the models by itself, with its parameters as they are now."""
        model = build(self.specs[number], self.vocab_size, 0).to(self.device)
        own = {name: leaf[number].detach() for name, leaf in self.parameters.items()}
        model.load_state_dict(own, strict=False)  # tied embedding: one parameter, two names
        return model

    def __call__(self, tokens_MBT: torch.Tensor, masks: PackMasks | None = None) -> torch.Tensor:
        """Logits (M, N, V) from int64 tokens (M, B, T); without ``masks`` those of evaluation."""
        spec, parameters = self.spec, self.parameters
        M, B, T = tokens_MBT.shape
        if masks is not None:
            masks.begin()
        head = "wte.weight" if spec.tied_embedding else "lm_head.weight"
        rows_MN = tokens_MBT.reshape(M, B * T) + self.first_row_M1
        tokens_MNC = F.embedding(rows_MN, parameters["wte.weight"].view(-1, spec.n_embd))
        positions_M1TC = parameters["wpe.weight"][:, None, :T]
        h_MNC = (tokens_MNC.view(M, B, T, -1) + positions_M1TC).view(M, B * T, -1)
        h_MNC = self._inverted(h_MNC, "embedding_dropout", masks)
        for block in range(spec.n_block):
            h_MNC = self._block(f"blocks.{block}", h_MNC, B, masks)
        return self._linear(self._norm(h_MNC, "ln_f"), head, "lm_head.bias")

    def _block(self, name: str, h_MNC: torch.Tensor, B: int, masks: PackMasks | None) -> torch.Tensor:
        spec = self.spec
        stream, join = STREAMS[spec.residual_stream], joined_of(spec.residual_stream)
        inputs: list[torch.Tensor] = []
        for k, kind in enumerate(spec.block, 1):
            u_MNC = self._norm(h_MNC, f"{name}.norms.{k - 1}")
            inputs.append(stream.carried(h_MNC, u_MNC))
            if k == 4 and spec.last_mlp_input == "second":
                u_MNC = inputs[1]
            skip_MNC = self._skip(inputs[-1], "skip1_dropout", masks)
            sublayer = f"{name}.sublayers.{k - 1}"
            attends = kind == "attention"
            f_MNC = (
                self._attention(sublayer, u_MNC, B, masks) if attends else self._mlp(sublayer, u_MNC, masks)
            )
            h_MNC = join(skip_MNC, f_MNC)
            if k % 2 == 0 and spec.skip2_dropout is not None:
                h_MNC = h_MNC + self._skip(inputs[-2], "skip2_dropout", masks)
            if k == 4 and spec.skip4_dropout is not None:
                h_MNC = h_MNC + self._skip(inputs[-4], "skip4_dropout", masks)
        return h_MNC

    def _attention(self, name: str, x_MNC: torch.Tensor, B: int, masks: PackMasks | None) -> torch.Tensor:
        M, N, C = x_MNC.shape
        H, T = self.spec.n_head, N // B
        qkv = self._linear(x_MNC, f"{name}.c_attn.weight", "").view(M * B, T, 3, H, C // H)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).reshape(3, M * B * H, T, C // H)
        scores = torch.baddbmm(self.future_TT[:T, :T], q, k.transpose(1, 2), alpha=self.scale)
        weights = scores.softmax(-1).view(M, -1)
        weights = self._inverted(weights, "attention_dropout", masks).view(M * B * H, T, T)
        y = torch.bmm(weights, v).view(M * B, H, T, C // H).transpose(1, 2).reshape(M, N, C)
        y_MNC = self._linear(y, f"{name}.c_proj.weight", f"{name}.c_proj.bias")
        return self._inverted(y_MNC, "attention_output_dropout", masks)

    def _mlp(self, name: str, x_MNC: torch.Tensor, masks: PackMasks | None) -> torch.Tensor:
        activation = F.gelu if self.spec.activation == "gelu" else F.relu
        y = activation(self._linear(x_MNC, f"{name}.c_fc.weight", f"{name}.c_fc.bias"))
        y_MNC = self._linear(y, f"{name}.c_proj.weight", f"{name}.c_proj.bias")
        return self._inverted(y_MNC, "mlp_dropout", masks)

    def _linear(self, x_MNK: torch.Tensor, weight: str, bias: str) -> torch.Tensor:
        weight_MKO = self.parameters[weight].transpose(1, 2)
        if bias in self.parameters:
            return torch.baddbmm(self.parameters[bias][:, None], x_MNK, weight_MKO)
        return torch.bmm(x_MNK, weight_MKO)

    def _norm(self, x_MNC: torch.Tensor, name: str) -> torch.Tensor:
        y_MNC = F.layer_norm(x_MNC, x_MNC.shape[-1:]) * self.parameters[f"{name}.weight"][:, None]
        bias = self.parameters.get(f"{name}.bias")
        return y_MNC if bias is None else y_MNC + bias[:, None]

    def _inverted(self, x: torch.Tensor, name: str, masks: PackMasks | None) -> torch.Tensor:
        rates = self.rates[name]
        if masks is None or not any(rates):
            return x
        return x * masks.draw(x.shape[1:], rates, inverted=True, device=x.device)

    def _skip(self, x: torch.Tensor, name: str, masks: PackMasks | None) -> torch.Tensor:
        rates = self.rates[name]
        if not any(rates):
            return x
        if masks is None:
            keep = torch.tensor([1.0 - rate for rate in rates], device=x.device)
            return x * keep[:, None, None]
        return x * masks.draw(x.shape[1:], rates, inverted=False, device=x.device)


def model_losses(logits_MNV: torch.Tensor, targets_MBT: torch.Tensor) -> torch.Tensor:
    """Mean cross entropy of each model over its own batch, nats a character: (M,)."""
    M, N, V = logits_MNV.shape
    losses = F.cross_entropy(logits_MNV.view(M * N, V), targets_MBT.reshape(M * N), reduction="none")
    return losses.view(M, N).mean(1)
