"""The methods that an objective is built for, a file each: how a batch is passed through, what is added.

A file may have

    WEIGHTS      the terms of paper A's objective that it has, by their weights: alpha, beta, gamma
    divergence   a function from the logits of two passes, (2N, K), to a divergence of each, (N,), for the
                 term of weight gamma; without it the symmetric Kullback-Leibler divergence
    passes       a function ``passes(options)`` to how often a batch goes through the model; without it twice
                 where there are WEIGHTS, else once
    term         a function ``term(seen, options)`` to one more term, a scalar, already weighted
    OPTIONS      what it can be set to besides (``redrop.settings``)
    LISTENS      True if its ``Method`` hears the attention (``redrop.models.listening``)
    NEEDS        the sites of a model that it acts on (``SITES``); a kind of model without them is refused
    KEPT         False if the finished model has parts of its own, so that its weights cannot be loaded again
    READS        what its batches have to be made of (``Kind.reads``); without it anything
    Method       a ``Regulariser``: what it does to model and loss while the model is trained

Logits are float32 rows of real examples or tokens. torch is imported inside the functions, so that specs
can be checked without it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from redrop.checks import check_range
from redrop.errors import ConfigError
from redrop.registry import Registry, options_of, resolve

if TYPE_CHECKING:
    import torch

METHODS = Registry(__name__, "method")
"""``objective.name`` -> module."""
WEIGHTS = ("alpha", "beta", "gamma")
"""Of the hidden states', the attention's and the outputs' consistency."""
SITES = {
    "blocks": "layers that take and give the stream",
    "branches": "sub-layers whose output is added to the stream, a list for each block",
    "heads": "modules that take the heads' outputs side by side, (B, T, C), one a layer, and how many heads",
    "mlp_dropouts": "dropouts on the output of an MLP, before the skip is added, one a block",
    "head": "the last linear layer, which takes the last features",
    "embeddings": "the tokens' embedding",
    "released": "the parts whose weights were trained before",
    "sublayers": "sub-layers as modules from their normed input to their output, a list for each block",
    "exit": "what makes logits of the stream after any block",
}
"""What a method may ask of a model: name -> the modules that its kind finds for it (``Kind.sites``)."""


class Regulariser:
    """What a method does to one run besides its weighted terms; made before the optimiser is.

    A subclass draws from ``stream``, its own, and from nowhere else, so that what the other streams give is
    what they give in plain training. Its hooks act within an update only, never in an evaluation.
    """

    copies = 1
    """Rows of logits that the model gives for one row of its input, first copies of all rows first."""

    def __init__(self, task: Any) -> None:
        """``task``: a ``redrop.training.task.Task``, with data and model in place."""
        self.task, self.spec, self.model, self.updates = task, task.spec, task.model, task.updates
        self.options = options_of(METHODS[self.spec.objective.name], self.spec.objective)
        self.stream: Any = resolve("redrop.streams:NumpyStream")(self.spec.seed, self.spec.objective.name)
        self.device: torch.device = task.device
        self.batch: Any = None
        """What is computed now, a ``redrop.objectives.terms.Batch``."""
        self.update = 0
        """Updates that were finished before this one."""
        self._acting = False
        self.install()

    def install(self) -> None:
        """Put hooks, and parameters, into the model."""

    def begin(self) -> None:
        """Draw what holds for a whole update, ``self.update``."""

    def task_loss(self, batch: Any, rows: list[torch.Tensor]) -> torch.Tensor | None:
        """The task's loss, a scalar, from the logits (N, K) of each pass and copy; None: as without it."""
        return None

    def term(self, seen: Any) -> torch.Tensor | None:
        """One more term, a scalar, already weighted; ``seen`` as in ``redrop.objectives.terms``."""
        return None

    def gradients(self) -> None:
        """Change the gradients of an update, which are clipped by now, before the optimiser reads them."""

    def curve(self) -> dict[str, float]:
        """More of the curve's row at an evaluation; asked once for each."""
        return {}

    def finish(self) -> dict[str, Any]:
        """Metrics of the finished model, by name; it does not draw from ``stream``."""
        return {}

    def leave(self) -> None:
        """Turn the finished model, which is kept, into one that computes the same without the method."""

    def state(self) -> dict[str, Any]:
        """What the rest of the run depends on, besides the model's parameters."""
        return {"stream": self.stream.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """The inverse of ``state``."""
        self.stream.restore(state["stream"])

    @classmethod
    def neutral(cls, options: dict[str, Any]) -> bool:
        """Whether these options make it plain training; nothing is installed then."""
        return False

    @contextlib.contextmanager
    def acting(self, batch: Any) -> Iterator[None]:
        """Within the block, which holds forward and backward pass of a batch, the hooks act."""
        self._acting, self.batch = True, batch
        try:
            yield
        finally:
            self._acting, self.batch = False, None

    def site(self, name: str) -> Any:
        """The model's modules of that name, as ``SITES`` describes them."""
        return resolve(self.spec.kind.sites[name])(self.model)

    def change_output(self, module: torch.nn.Module, change: Callable[[Any, Any], Any]) -> None:
        """In an update, the module gives ``change(its first input, its output)``."""

        def hook(_: Any, inputs: tuple[Any, ...], output: Any) -> Any:
            return change(inputs[0], output) if self._acting else None

        module.register_forward_hook(hook)

    def change_input(self, module: torch.nn.Module, change: Callable[[Any], Any]) -> None:
        """In an update, the module takes ``change(its first input)``."""

        def hook(_: Any, inputs: tuple[Any, ...]) -> Any:
            return (change(inputs[0]), *inputs[1:]) if self._acting else None

        module.register_forward_pre_hook(hook)


def regulariser_of(task: Any) -> Regulariser | None:
    """What a run's method does to its model; None: nothing, it has terms only, or is neutral."""
    objective = task.spec.objective
    module = METHODS[objective.name]
    made = getattr(module, "Method", None)
    if made is None or made.neutral(options_of(module, objective)):
        return None
    return made(task)


def weights_of(name: str) -> tuple[str, ...]:
    """The weighted terms that the method called ``name`` has."""
    return getattr(METHODS[name], "WEIGHTS", ())


def check_weights(section: Any, known: tuple[str, ...]) -> None:
    """Refuse a weight below 0, and one of a term that the section's method does not have."""
    for key in known:
        weight = getattr(section, key)
        check_range(f"objective.{key}", weight, 0.0)
        if weight and key not in weights_of(section.name):
            raise ConfigError(f"objective.{key}: {weight!r}, but {section.name} has no such term; give 0")


def check_method(spec: Any) -> None:
    """Refuse a run whose kind of model does not have what its method needs."""
    name, kind = spec.objective.name, spec.kind
    for weight in weights_of(name):
        if weight not in kind.weights:
            raise ConfigError(
                f"objective.name: {name!r} has a term {weight}, but a {spec.model.name} "
                f"can have no other than {', '.join(kind.weights) or 'its own loss'}"
            )
    module = METHODS[name]
    for site in getattr(module, "NEEDS", ()):
        if site not in kind.sites:
            raise ConfigError(
                f"objective.name: {name!r} acts on a model's {site} ({SITES[site]}), which redrop does not "
                f"find in a {spec.model.name}; give another method or model"
            )
    if kind.reads not in (reads := getattr(module, "READS", (kind.reads,))):
        raise ConfigError(
            f"objective.name: {name!r} is defined for batches of {' or '.join(reads)}, but a "
            f"{spec.model.name} reads {kind.reads}; give another method or model"
        )
    if hasattr(module, "Method") and getattr(spec.schedule, "gradient_checkpointing", False):
        raise ConfigError(
            f"schedule.gradient_checkpointing: true, but {name} would act again, and otherwise, on a layer "
            "that is computed again; give false"
        )


def passes_of(section: Any) -> int:
    """How often an update sends its batch through the model, by the section of the objective."""
    module = METHODS[section.name]
    if hasattr(module, "passes"):
        return module.passes(options_of(module, section))
    return 2 if weights_of(section.name) else 1


def listens(section: Any) -> bool:
    """Whether the attention of a model in training is listened to."""
    return bool(section.beta) or getattr(METHODS[section.name], "LISTENS", False)


def divergence_of(name: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """The function by which the method called ``name`` compares the outputs of two passes."""
    own = getattr(METHODS[name], "divergence", None)
    return own or resolve("redrop.objectives.consistency:symmetric_kl")
