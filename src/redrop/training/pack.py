"""The trainer of a pack: runs that share architecture, schedule and evaluation, as one batched program.

The runs may differ in dropout rates, seed, initialisation and text. Each has its own streams, its own
gradient norm and its own end, so on a CPU it gives the same bytes in any company. It gives the same curve
as the trainer of one run up to float32 rounding, because both draw the same numbers from the same streams.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from redrop import residual_streams
from redrop.data.corpus import Corpus
from redrop.errors import ConfigError
from redrop.evaluation.language_model import take, windows_a_pass
from redrop.models.kept import write_language_model
from redrop.models.residual_pack import PackMasks, ResidualPack, architecture, model_losses
from redrop.optimisers import OPTIMISERS
from redrop.record import Metric
from redrop.registry import options_of
from redrop.spec import RunSpec
from redrop.training.gradients import norms
from redrop.training.graphs import GraphedStep
from redrop.training.language_model import Sampling, measure_finished
from redrop.training.run import Run, Stopped


def why_not_packed(spec: RunSpec) -> str | None:
    """Why a run cannot be trained in a pack; None where it can."""
    if spec.kind.pack is None:
        return f"model.name: a {spec.model.name} is trained alone"
    if not hasattr(OPTIMISERS[spec.optimiser.name], "MOMENTS"):
        return f"optimiser.name: a pack's updates go number by number, those of {spec.optimiser.name} do not"
    if spec.objective.name != "ce":
        return f"objective.name: a pack minimises ce alone, not {spec.objective.name}"
    if not residual_streams.can_be_packed(spec.model.residual_stream):
        return f"model.residual_stream: {spec.model.residual_stream!r} has no packed form"
    return None


def can_be_packed(spec: RunSpec) -> bool:
    """Whether runs of its kind can be trained together."""
    return why_not_packed(spec) is None


def pack_key(spec: RunSpec) -> tuple[Any, ...]:
    """What runs must have in common to be trained together, besides the size of their vocabulary."""
    shared = (spec.objective, spec.optimiser, spec.schedule, spec.evaluation)
    return (*shared, architecture(spec.model))


class PackTrainer:
    """State of a pack in training; ``redrop.training.loop.Training`` says what its parts are."""

    def __init__(self, specs: Sequence[RunSpec], corpora: Sequence[Corpus], device: torch.device) -> None:
        for spec in specs:
            if (reason := why_not_packed(spec)) is not None:
                raise ConfigError(reason)
        if len({pack_key(spec) for spec in specs}) != 1 or len({c.vocab_size for c in corpora}) != 1:
            raise ConfigError(f"these runs cannot be one pack: {', '.join(spec.run for spec in specs)}")
        self.device = device
        self.spec = specs[0]
        schedule, evaluation = self.spec.schedule, self.spec.evaluation
        self.runs = [Run(spec, schedule.iterations) for spec in specs]
        self.models = [Sampling(spec, corpus, device) for spec, corpus in zip(specs, corpora, strict=True)]
        self.pack = ResidualPack(
            [spec.model for spec in specs], corpora[0].vocab_size, [spec.seed for spec in specs], device
        )
        self.masks = PackMasks([model.masks for model in self.models])
        names = OPTIMISERS[self.spec.optimiser.name].MOMENTS
        self.moments = {name: torch.zeros_like(self.pack.buffer) for name in names}
        self.optimiser = self._make_optimiser()
        self._clipped_M = torch.ones(len(specs), device=self.device)
        """What the last update's gradients were multiplied by; lies still, because a CUDA graph writes it."""
        self._updated = False
        """Whether an update was made here, so that there is a gradient to look at."""
        self._update = self._make_update()
        self._check: Callable[[], None] = lambda: None
        self.iteration = 0
        self.last_iteration, self.evaluate_every = schedule.last_iteration, evaluation.every

    def _make_optimiser(self) -> torch.optim.Optimizer:
        """Over the whole buffer: elementwise, so every model is updated as if it were alone."""
        spec, pack, module = self.spec.optimiser, self.pack, OPTIMISERS[self.spec.optimiser.name]
        decayed = len(pack.buffer) if spec.decay == "all" else pack.n_matrix
        groups = [
            {"params": [pack.buffer[:decayed]], "weight_decay": spec.weight_decay},
            {"params": [pack.buffer[decayed:]], "weight_decay": 0.0},
        ]
        parts = [slice(None, decayed), slice(decayed, None)]
        on_cuda = self.device.type == "cuda"
        optimiser = module.make(
            groups,
            spec,
            options_of(module, spec),
            lr=torch.zeros((), device=self.device) if on_cuda else 0.0,  # a graph reads it where it lies
            capturable=on_cuda,
        )
        # The first steps run before the capture, of which torch would warn.
        optimiser._warned_capturable_if_run_uncaptured = True
        for group, part in zip(groups, parts, strict=True):
            (values,) = group["params"]
            values.grad = pack.gradient[part]
            moments = {name: moment[part] for name, moment in self.moments.items()}
            optimiser.state[values] = {"step": torch.zeros((), device=self.device), **moments}
        return optimiser

    def _make_update(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """``_compute``, on CUDA as one graph."""
        streams = [model.masks for model in self.models]
        return GraphedStep(self._compute, streams) if self.device.type == "cuda" else self._compute

    def step(self) -> torch.Tensor:
        """Make one update of every model; returns their losses, (models,) on the device."""
        starts = [model.next_starts() for model in self.models]
        x_MBT, y_MBT = self._take([model.corpus.train for model in self.models], starts)
        rate = self.runs[0].learning_rate(self.iteration)
        for group in self.optimiser.param_groups:
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate
        if self.masks.rescale(self.runs[0].dropout_scale(self.iteration)):
            for stream in self.masks.streams:
                stream.restore(stream.state())  # the graph so far keeps its generator
            self._update = self._make_update()
        losses_M = self._update(x_MBT, y_MBT)
        self._updated = True
        self.iteration += 1
        return losses_M

    def _compute(self, x_MBT: torch.Tensor, y_MBT: torch.Tensor) -> torch.Tensor:
        """Forward, backward, clip, update: all that a step does on the device."""
        spec = self.spec
        bf16 = spec.schedule.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            losses_M = model_losses(self.pack(x_MBT, self.masks), y_MBT)
        self.pack.gradient.zero_()
        losses_M.sum().backward()
        if spec.optimiser.clip_norm is not None:
            self._clip(spec.optimiser.clip_norm)
        self.optimiser.step()
        return losses_M.detach()

    def _clip(self, limit: float) -> None:
        """Scale each model's gradient down to norm ``limit``, as ``clip_grad_norm_`` does for one model."""
        parts = [leaf.grad.view(len(self.models), -1) for leaf in self.pack.parameters.values()]
        norms = torch.stack([torch.linalg.vector_norm(part, dim=1) for part in parts])
        scale_M = (limit / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
        for part in parts:
            part.mul_(scale_M[:, None])
        self._clipped_M.copy_(scale_M)

    def _take(
        self, tokens: Sequence[np.ndarray], starts: Sequence[np.ndarray]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets (M, B, T): each model's windows of its own text."""
        T, host = self.spec.model.block_size, torch.device("cpu")
        pairs = [take(text, where, T, host) for text, where in zip(tokens, starts, strict=True)]
        both = torch.stack([torch.stack(part) for part in zip(*pairs, strict=True)])
        if self.device.type != "cpu":  # one transfer for all models
            both = both.pin_memory().to(self.device, non_blocking=True)
        x_MBT, y_MBT = both
        return x_MBT, y_MBT

    def watch(self, check: Callable[[], None]) -> None:
        """Ask whether to stop while it evaluates."""
        self._check = check

    def losses(self) -> list[dict[str, float]]:
        """Losses without dropout, nats a character, of every run; norms of its last update's gradient."""
        gradients = [run.row for run in self.runs]  # of runs that were stopped here
        if self._updated:
            views = self.pack.views(self.pack.gradient)
            gradients = norms(views, self._clipped_M, self.spec.model)
        rows: list[dict[str, float]] = [{} for _ in self.models]
        drawn = [model.evaluation.stream.state() for model in self.models]
        try:
            for same in zip(*(model.evaluation.parts() for model in self.models), strict=True):
                names, tokens, blocks = zip(*same, strict=True)
                for row, mean in zip(rows, self._mean_losses(tokens, blocks), strict=True):
                    row[names[0]] = mean
        except Stopped:
            for run, model, state, found in zip(self.runs, self.models, drawn, gradients, strict=True):
                model.evaluation.stream.restore(state)
                run.row = found
            raise
        for run, model, state in zip(self.runs, self.models, drawn, strict=True):
            run.row = {}
            if run.measured(self.iteration):  # in another company, before it was stopped
                model.evaluation.stream.restore(state)
        return [row | found for row, found in zip(rows, gradients, strict=True)]

    def _mean_losses(
        self, tokens: Sequence[np.ndarray], blocks: Sequence[Iterable[np.ndarray]]
    ) -> list[float]:
        """Each model's mean over its windows, which come block by block."""
        totals, counts = [0.0] * len(self.models), [0] * len(self.models)
        for starts in zip(*blocks, strict=True):
            for number, loss in enumerate(self._summed_losses(tokens, starts)):
                totals[number] += loss
                counts[number] += len(starts[number])
        T = self.spec.model.block_size
        return [total / (count * T) for total, count in zip(totals, counts, strict=True)]

    @torch.no_grad()
    def _summed_losses(self, tokens: Sequence[np.ndarray], starts: Sequence[np.ndarray]) -> list[float]:
        """Each model's sum over its windows; chunks have one shape, whatever the texts' lengths."""
        size = windows_a_pass(self.device)
        longest = -(-max(map(len, starts)) // size) * size
        padded = [np.pad(where, (0, longest - len(where)), mode="edge") for where in starts]
        # One tensor: small ones that are kept between large ones that are not would hold all the memory.
        sums_MW = torch.empty(len(starts), longest, device=self.device)
        for begin in range(0, longest, size):
            self._check()
            part = slice(begin, begin + size)
            x_MBT, y_MBT = self._take(tokens, [where[part] for where in padded])
            logits_MNV = self.pack(x_MBT)
            losses = F.cross_entropy(logits_MNV.flatten(0, 1), y_MBT.flatten(), reduction="none")
            sums_MW[:, part] = losses.view(x_MBT.shape).sum(-1)
        sums_MW = sums_MW.double().cpu()
        return [sums_W[: len(where)].sum().item() for sums_W, where in zip(sums_MW, starts, strict=True)]

    def finish(self) -> None:
        """What the specs ask for besides, of every run that did not diverge."""
        for number, (run, model) in enumerate(zip(self.runs, self.models, strict=True)):
            asked = run.spec.evaluation
            if run.reason is None and (asked.fewer_blocks or asked.mechanisms):
                measure_finished(self.pack.single(number), model.evaluation, run, self._check)

    def keep(self, number: int, folder: Path) -> None:
        """One of the models, as if it had been trained alone."""
        run, vocabulary = self.runs[number], self.models[number].corpus.vocab
        write_language_model(folder, run.spec, vocabulary, self.pack.single(number))

    def metrics(self) -> list[dict[str, Metric]]:
        """Losses at the end and at their best."""
        both = zip(self.models, self.runs, strict=True)
        return [model.evaluation.metrics(run.curve) for model, run in both]

    def state(self, number: int = 0) -> dict[str, Any]:
        """Everything that the rest of one run depends on."""
        buffers = (self.pack.buffer, *self.moments.values())
        return {
            "tensors": [
                {name: view[number].clone() for name, view in self.pack.views(buffer).items()}
                for buffer in buffers
            ],
            "iteration": self.iteration,
            "task": self.models[number].state(),
            **self.runs[number].state(),
        }

    @torch.no_grad()
    def restore(self, number: int, state: dict[str, Any]) -> None:
        """The inverse of ``state``; all runs of a pack must be restored from one iteration."""
        for buffer, stored in zip((self.pack.buffer, *self.moments.values()), state["tensors"], strict=True):
            for name, view in self.pack.views(buffer).items():
                view[number].copy_(stored[name])
        self.iteration = state["iteration"]
        for values in self.optimiser.state.values():
            values["step"].fill_(self.iteration)
        self.models[number].restore(state["task"])
        self.runs[number].restore(state)
        self._updated = False  # the gradients are not those of the update before
        self._update = self._make_update()
