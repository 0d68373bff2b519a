"""Tiny Shakespeare, the character corpus of nanoGPT: 1,115,394 characters, 65 different ones."""

from redrop.data.corpus import Characters, CorpusSet
from redrop.data.sources import RemoteFile

SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"
TEXT = RemoteFile(
    name="tinyshakespeare.txt",
    url="https://raw.githubusercontent.com/karpathy/char-rnn/"
    "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
    sha256=SHA256,
    size=1115394,
    mirror=("char/tinyshakespeare.txt",),
    mirror_sha256=(SHA256,),
)

DATA_SET = CorpusSet(
    name="tiny_shakespeare",
    about="40,000 lines from Shakespeare's plays (Karpathy, char-rnn)",
    license="public domain",
    editions={"char-rnn": (TEXT,)},
    size=Characters(1_003_854, 111_540, 65),
)
