"""A tokenizer for summarisation models that bring none: byte-level BPE, learned on a train split.

The special tokens have the ids that BART's have. Every byte has a token, so nothing is unknown; `<unk>` is
there for models that ask for it. Text gets a space in front before it is cut (chosen), so that a word has
the same token at the beginning as elsewhere; strip what is decoded.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")
"""Their ids are their places: 0, 1, 2, 3."""


def learn_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """A BPE of at most `vocabulary` tokens; encoding puts `<s>` before and `</s>` behind a text.

    It has at least 260 (special tokens and bytes), and fewer than `vocabulary` where there is nothing left
    to merge. The same texts in the same order give the same tokenizer, byte for byte, with one version of
    the tokenizers package.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer
