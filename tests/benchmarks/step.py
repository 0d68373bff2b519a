"""Milliseconds a training iteration at the authors' size, beside a step in nanoGPT's style.

Both are timed in one process on one thread, in turn, so that the machine's drift falls on both; medians
and the ratio pair by pair are printed. Run with ``make bench``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from redrop.data.corpus import Corpus
from redrop.record import write_json
from redrop.runtime.environment import device_name
from redrop.runtime.rates import matmul_rate
from redrop.spec import RunSpec
from redrop.study import load_study, make_spec
from redrop.training.language_model import LanguageModelling
from redrop.training.trainer import Trainer

PROJECT = Path(__file__).resolve().parents[2]


class PlainBlock(nn.Module):
    """A pre-norm Transformer block from torch's own parts: SDPA with dropout, nn.Dropout, nn.GELU."""

    def __init__(self, width: int, heads: int, rate: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, rate
        self.norm1, self.norm2 = nn.LayerNorm(width, bias=False), nn.LayerNorm(width, bias=False)
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width, bias=False),
            nn.GELU(),
            nn.Linear(4 * width, width, bias=False),
            nn.Dropout(rate),
        )
        self.dropout = nn.Dropout(rate)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (B, T, C) to (B, T, C)."""
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        q, k, v = (t.unflatten(-1, (self.heads, -1)).transpose(1, 2) for t in (q, k, v))
        rate = self.rate if self.training else 0.0
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=rate, is_causal=True)
        x = x + self.dropout(self.out(y.transpose(1, 2).flatten(2)))
        return x + self.mlp(self.norm2(x))


class PlainGPT(nn.Module):
    """The same size as the authors' model, written the usual way."""

    def __init__(self, spec: RunSpec, vocab_size: int) -> None:
        super().__init__()
        m = spec.model
        rate = m.mlp_dropout
        self.tokens, self.positions = (
            nn.Embedding(vocab_size, m.n_embd),
            nn.Embedding(m.block_size, m.n_embd),
        )
        self.dropout = nn.Dropout(rate)
        self.blocks = nn.Sequential(*(PlainBlock(m.n_embd, m.n_head, rate) for _ in range(m.n_layer)))
        self.norm = nn.LayerNorm(m.n_embd, bias=False)
        self.head = nn.Linear(m.n_embd, vocab_size, bias=False)
        self.tokens.weight = self.head.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits of (B, T) tokens."""
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1], device=ids.device))
        return self.head(self.norm(self.blocks(self.dropout(x))))


def plain_step(spec: RunSpec, corpus: Corpus, device: torch.device) -> Callable[[], Any]:
    """One update in nanoGPT's style: batch by slices, default AdamW, clipping, cosine rate."""
    model = PlainGPT(spec, corpus.vocab_size).to(device)
    decay = [p for p in model.parameters() if p.dim() > 1]
    rest = [p for p in model.parameters() if p.dim() == 1]
    groups = [{"params": decay, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99))
    tokens, T, B = corpus.train, spec.model.block_size, spec.schedule.batch_size
    count = 0

    def step() -> None:
        nonlocal count
        starts = torch.randint(len(tokens) - T, (B,))
        x = torch.stack([torch.from_numpy(tokens[i : i + T].astype(np.int64)) for i in starts])
        y = torch.stack([torch.from_numpy(tokens[i + 1 : i + 1 + T].astype(np.int64)) for i in starts])
        x, y = x.to(device), y.to(device)
        for group in optimiser.param_groups:
            group["lr"] = 1e-4 + 0.5 * (1 + math.cos(math.pi * count / 50000)) * 9e-4
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        count += 1

    return step


def corpus_of(symbols: int, length: int) -> Corpus:
    """Random text: the time of a step does not depend on what is read."""
    draw = np.random.default_rng(0)
    train, val = (draw.integers(0, symbols, n).astype(np.uint16) for n in (length, length // 9))
    vocab = tuple(chr(33 + i) for i in range(symbols))
    identity = {"name": "random", "origin": "generated", "edition": "random", "sha256": ""}
    return Corpus(**identity, train=train, val=val, vocab=vocab)


def timed(step: Callable[[], Any], device: torch.device) -> float:
    """Milliseconds that one call takes."""
    begin = time.perf_counter()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return 1e3 * (time.perf_counter() - begin)


def step_gflop(spec: RunSpec) -> float:
    """Floating-point operations of one iteration: 6 a weight and character, and the attention's products."""
    m, s = spec.model, spec.schedule
    weights = m.n_layer * 12 * m.n_embd**2 + 65 * m.n_embd
    attention = m.n_layer * 2 * 2 * m.block_size * m.n_embd
    return s.batch_size * m.block_size * (6 * weights + 3 * attention) / 1e9


def main() -> None:
    """Time both, print a table, write json."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--iterations", type=int, default=200, help="of each, in turn")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    study = load_study(PROJECT / "config/studies/residual.yaml", PROJECT)
    corpus = corpus_of(65, 1_000_000)
    rows, rate = [], matmul_rate(device.type) / 1e9
    for config in ("a2r0", "a2r025", "a2r25_2", "a2r2_4"):
        spec = make_spec(study, "authors", config, "tiny_shakespeare", 0, {})
        trainer = Trainer(LanguageModelling(spec, corpus, device))
        plain = plain_step(spec, corpus, device)
        for _ in range(20):
            plain()
            trainer.step()
        pairs = [(timed(plain, device), timed(trainer.step, device)) for _ in range(options.iterations)]
        begin = time.perf_counter()
        trainer.losses()
        evaluation = time.perf_counter() - begin
        ours = statistics.median(b for _, b in pairs)
        rows.append(
            {
                "config": config,
                "plain_ms": statistics.median(a for a, _ in pairs),
                "redrop_ms": ours,
                "ratio": statistics.median(b / a for a, b in pairs),
                "fraction_of_matmul_rate": step_gflop(spec) / (ours * 1e-3) / rate,
                "evaluation_s": evaluation,
                "evaluation_share": evaluation / (spec.evaluation.every * ours * 1e-3),
            }
        )
    machine = {"device": device_name(device.type), "torch": torch.__version__, "threads": 1}
    print(f"{machine['device']}, torch {machine['torch']}, one thread; matrix product {rate:.0f} GFLOP/s")
    print(f"{'':10}{'nanoGPT-style':>14}{'redrop':>9}{'ratio':>7}{'of matmul':>11}{'evaluation':>12}")
    for row in rows:
        print(
            f"{row['config']:10}{row['plain_ms']:>11.1f} ms{row['redrop_ms']:>6.1f} ms{row['ratio']:>7.2f}"
            f"{row['fraction_of_matmul_rate']:>11.0%}{row['evaluation_s']:>10.1f} s"
        )
    if options.json:
        write_json(options.json, {"machine": machine, "matmul_gflops": rate, "steps": rows})
        print(json.dumps({"written": str(options.json)}))


if __name__ == "__main__":
    main()
