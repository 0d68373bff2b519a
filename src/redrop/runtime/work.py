"""How many floating-point operations a run takes, from its spec alone.

A matrix product of n x k by k x m is 2 n k m operations. A Transformer of width C and feed-forward width F
needs for each token, forward,

    an encoder layer    2 (4 C^2 + 2 C F) + 4 L C           L: tokens that it attends to
    a decoder layer     2 (6 C^2 + 2 C F) + 4 T C + 4 S C   T: of the output, S: of the input
                        and 4 C^2 a token of the input, for its keys and values
    the output layer    2 C V                               V: tokens or symbols that there are

and twice that again backward: 6 operations a weight and token, and the attention. Methods with two passes
double it. Everything that is no matrix product is left to the utilisation (``rates.py``).

Tokens and lengths are means, from ``redrop.data.tasks``. No torch: the formulas are held against torch's
own counter (``torch.utils.flop_counter``) by a test. To count with it here, on meta tensors, costs 5 s of
imports and 0.3 to 0.9 s a shape and length, where planning 1,196 runs takes 1.3 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from redrop.data.glue import HELD_OUT
from redrop.data.tasks import CORPORA, GLUE, PAIRS, TASKS
from redrop.kinds import EXAMPLES, WINDOWS
from redrop.kinds import PAIRS as TEXT_PAIRS
from redrop.methods import passes_of
from redrop.models.sizes import Shape, shape_of
from redrop.spec import RunSpec

TRAIN_SHARE = 0.25
"""Share of the validation windows' number that the residual runs score of the training text, besides them."""
LANDSCAPE_EXAMPLES = 512
FILLED = 0.95
"""How full a batch by tokens is: it ends before the pair that would not fit."""
LONGEST = 1.3
"""Steps of a search over the tokens of a mean output: it ends with the longest of a batch."""


@dataclass(frozen=True)
class Work:
    """What a part of a run has to compute."""

    operations: float = 0.0
    """Floating-point operations of its matrix products."""
    calls: float = 0.0
    """Layers that are called, each once a batch: a call costs time of its own, however small the batch."""

    def __add__(self, other: Work) -> Work:
        return Work(self.operations + other.operations, self.calls + other.calls)

    def times(self, factor: float) -> Work:
        """So many times the same."""
        return Work(factor * self.operations, factor * self.calls)


@dataclass(frozen=True)
class RunWork:
    """A run's work, and what of its model decides how fast it is done."""

    training: Work
    evaluation: Work
    """Forward passes: scores on the way, and what is measured on the finished model."""
    decoding: Work
    """Searches for outputs, on the way and at the end."""
    updates: int
    width: int
    parameters: int
    precision: str


def iterations_of(spec: RunSpec) -> int:
    """Updates of a run; for one that is given in epochs, by the official size of its training set."""
    if spec.kind.reads != EXAMPLES:
        return spec.schedule.last_iteration
    return spec.schedule.updates_on(examples_of(spec))


def encoder_layer(shape: Shape, length: float) -> float:
    """Operations a token of one encoder layer, forward."""
    c, f = shape.width, shape.feed_forward
    return 2 * (4 * c * c + 2 * c * f) + 4 * length * c


def decoder_layer(shape: Shape, source: float, target: float) -> float:
    """Operations an output token of one decoder layer, forward, without the input's keys and values."""
    c, f = shape.width, shape.feed_forward
    return 2 * (6 * c * c + 2 * c * f) + 4 * (source + target) * c


def pair_pass(shape: Shape, source: float, target: float) -> float:
    """Operations of one pair of an encoder-decoder, forward; lengths in tokens."""
    keys_values = shape.decoder_layers * 4 * shape.width**2
    encoder = source * (shape.layers * encoder_layer(shape, source) + keys_values)
    decoder = shape.decoder_layers * decoder_layer(shape, source, target)
    return encoder + target * (decoder + 2 * shape.width * shape.vocabulary)


def work_of(spec: RunSpec, updates: int, models: Path, pack: int = 1) -> RunWork | None:
    """The work of a run of so many updates; None where ``unknown`` names something.

    ``models``: the folder of fetched ones; ``pack``: language models that are trained together.
    """
    if unknown(spec, models) is not None:
        return None
    of_kind = {WINDOWS: _language_model, EXAMPLES: _encoder, TEXT_PAIRS: _encoder_decoder}
    shape = shape_of(spec, models)
    step, evaluation, decoding, parameters = of_kind[spec.kind.reads](spec, updates, shape, pack)
    # Backward is twice as much as forward, whose passes may be two; checkpointing computes layers once more.
    again = 1 if getattr(spec.schedule, "gradient_checkpointing", False) else 0
    trained = Work(passes_of(spec.objective) * (3 + again) * step.operations, step.calls)
    precision = spec.schedule.precision
    return RunWork(trained.times(updates), evaluation, decoding, updates, shape.width, parameters, precision)


def unknown(spec: RunSpec, models: Path) -> str | None:
    """The text or the model of a run whose size is in no table here; None where all is known."""
    known = CORPORA if spec.kind.reads == WINDOWS else {**GLUE, **PAIRS}
    if spec.task not in known and spec.data.data_set not in known:
        return spec.data.data_set
    name = getattr(spec.model, "checkpoint", spec.model.name)
    return name if shape_of(spec, models) is None else None


Parts = tuple[Work, Work, Work, int]
"""The forward pass of a training step, all of evaluation, all of decoding; and the model's parameters."""


def residual_pass(spec: RunSpec, shape: Shape) -> float:
    """Operations a character of paper B's model, forward."""
    layers = shape.layers * encoder_layer(shape, spec.model.block_size)
    return layers + 2 * shape.width * shape.vocabulary


def _language_model(spec: RunSpec, updates: int, shape: Shape, pack: int) -> Parts:
    m, s, e = spec.model, spec.schedule, spec.evaluation
    corpus = CORPORA[spec.task]
    character = residual_pass(spec, shape)
    # A pack makes one call of each layer for all of its models.
    step = Work(s.batch_size * m.block_size * character, m.n_layer / pack)
    scored = (1 + TRAIN_SHARE) * corpus.val + 2 * e.sampled_batches * s.batch_size * m.block_size
    batches = scored / (m.block_size * 16)  # as many windows a pass as on a CPU
    once = Work(scored * character, m.n_layer * batches / pack)
    tables = corpus.symbols * (1 if m.tied_embedding else 2) + m.block_size
    evaluation = once.times(1 + math.ceil(updates / e.every))
    return step, evaluation, Work(), shape.stack + m.n_embd * tables


def _encoder(spec: RunSpec, updates: int, shape: Shape, pack: int) -> Parts:
    s, e = spec.schedule, spec.evaluation
    task = TASKS[spec.task]
    long, long_dev = (min(length, spec.data.max_length) for length in GLUE[spec.task])

    def forward(examples: float, length: float, batches: float) -> Work:
        layers = shape.layers * encoder_layer(shape, length)
        head = 2 * shape.width**2
        return Work(examples * (length * layers + head), batches * shape.layers)

    examples = examples_of(spec)
    step = forward(s.batch_size, long, s.accumulation)
    dev = sum(task.rows[split] for split in task.dev_splits)
    if spec.data.evaluate_on == "held-out":
        dev = task.rows["train"] - round(examples / spec.data.train_fraction)
    scored = 1 + math.ceil(updates / math.ceil(examples / s.batch_size))
    # At the end: predictions; two dropout passes and one without; points of the landscape on some examples.
    moves = e.landscape_points * e.landscape_directions
    seen = dev * (scored + 1 + 3 * e.inconsistency_passes) + moves * min(LANDSCAPE_EXAMPLES, dev)
    return step, forward(seen, long_dev, seen / e.batch_size), Work(), shape.parameters


def examples_of(spec: RunSpec) -> int:
    """Examples that a fine-tuning run is trained on, by the official size of its training set."""
    rows = TASKS[spec.task].rows["train"]
    if spec.data.evaluate_on == "held-out":
        rows -= max(1, round(HELD_OUT * rows))
    return math.ceil(spec.data.train_fraction * rows)


def _encoder_decoder(spec: RunSpec, updates: int, shape: Shape, pack: int) -> Parts:
    s, e = spec.schedule, spec.evaluation
    texts = PAIRS[spec.data.data_set]
    source = min(texts.source, spec.data.max_source)
    target = min(texts.target, spec.data.max_target)
    longest = max(source, target)

    def forward(pairs: float, batch_tokens: int) -> Work:
        calls = pairs / max(1.0, FILLED * batch_tokens / longest)
        layers = shape.layers + shape.decoder_layers
        return Work(pairs * pair_pass(shape, source, target), calls * layers)

    step = forward(max(1.0, FILLED * s.batch_tokens / longest) * s.accumulation, s.batch_tokens)
    evaluations = math.ceil(updates / e.every)
    inputs = evaluations * min(e.decoded, texts.valid) + reported_pairs(spec)
    evaluation = forward((1 + evaluations) * texts.valid, e.batch_tokens)
    return step, evaluation, _search(spec, shape, source, target).times(inputs), shape.parameters


def reported_pairs(spec: RunSpec) -> int:
    """Pairs that the finished model's outputs are made for: of the test sets, or of the validation set."""
    texts = PAIRS[spec.data.data_set]
    return texts.valid if spec.evaluation.report == "valid" else texts.tests


def _search(spec: RunSpec, shape: Shape, source: float, target: float) -> Work:
    """A beam search for one input's output, keys and values kept; a batch ends with its longest output."""
    e = spec.evaluation
    limit = e.max_length if not e.max_ratio else min(e.max_length, e.max_ratio * source + 10)
    steps = max(e.min_length, min(limit, LONGEST * target))
    per_step = shape.decoder_layers * decoder_layer(shape, source, steps / 2)
    once = source * shape.layers * encoder_layer(shape, source)
    keys_values = e.beam * source * shape.decoder_layers * 4 * shape.width**2
    beams = e.beam * steps * (per_step + 2 * shape.width * shape.vocabulary)
    batch = max(1.0, FILLED * max(1, e.batch_tokens // e.beam) / source)
    return Work(once + keys_values + beams, (shape.layers + steps * shape.decoder_layers) / batch)
