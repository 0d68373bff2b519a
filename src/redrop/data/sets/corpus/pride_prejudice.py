"""Pride and Prejudice by Jane Austen, the authors' second character corpus beside Tiny Shakespeare.

Two editions are known. `authors` is the authors' own copy of Project Gutenberg's book 1342: it
starts at the first illustration, after a byte-order mark, and ends with the Gutenberg footer. It is
kept as it is, since they trained on it so; only mirrors have it. `public` is GITenberg's copy,
which anyone can download. The edition in use is recorded with the data.
"""

from redrop.data.corpus import Characters, CorpusSet
from redrop.data.sources import RemoteFile

PUBLIC = "48e0522844402a86a3ea98f0947ba85ea54838db3c59022299298ed968a5a163"
EDITIONS = {"dc63cf989db49c8ea2f17403500c72edb26c8e4aa4c22804f78999258a41494e": "authors", PUBLIC: "public"}
"""sha256 of the raw file -> edition, wherever it came from."""
TEXT = RemoteFile(
    name="pride_prejudice.txt",
    url="https://raw.githubusercontent.com/GITenberg/Pride-and-Prejudice_1342/"
    "81db45c9c48c592f0b77f01fc59e677ad0a5634e/1342-0.txt",
    sha256=PUBLIC,
    size=724725,
    mirror=("char/pg1342.txt", "char/1342-0.txt"),
    mirror_sha256=tuple(EDITIONS),
)

DATA_SET = CorpusSet(
    name="pride_prejudice",
    about="Pride and Prejudice by Jane Austen (Project Gutenberg, book 1342)",
    license="public domain in the USA; the Gutenberg footer is under the Project Gutenberg License",
    editions={"": (TEXT,)},
    edition_of=EDITIONS,
    size=Characters(641_718, 71_303, 97),
)
