"""MRPC: do two sentences from the news say the same?"""

from redrop.data.glue import official

DATA_SET = official(
    "MRPC",
    "do two sentences from the news say the same?",
    {
        "train": (649281, "61fd41301e0e244b0420c4350a170c8e7cf64740335fc875a4af2d79af0df0af"),
        "dev": (75678, "33c007dbf5bfa8463d87a13e6226df8c0fcf2596c2cd39d0f3bb79754e00f50f"),
    },
    labels=("not_equivalent", "equivalent"),
    metrics=("accuracy", "f1"),
    rows={"train": 3668, "dev": 408},
    balance={"train": (1194, 2474), "dev": (129, 279)},
    official_sha256="5dab2ff377df2fe89200eb207a2cf519f12548c33238e812d92c668406f438fc",
    lengths=(54.1, 57.3),
    text=("#1 String", "#2 String"),
    label="Quality",
    values=("0", "1"),
)
