"""CoLA: is the sentence acceptable English?"""

from redrop.data.glue import official

DATA_SET = official(
    "CoLA",
    "is the sentence acceptable English?",
    {
        "train": (251124, "2e7538afa2000e63f5343f16a758d75c452661a384208399d2035cd2fce45c33"),
        "dev": (37551, "c14b7219a7d9f9fe3dd291fd000f6623ee413805eb108c9c49578ed50873e4ba"),
    },
    labels=("unacceptable", "acceptable"),
    pair=False,
    metrics=("matthews", "accuracy"),
    rows={"train": 8551, "dev": 1043},
    balance={"train": (2528, 6023), "dev": (322, 721)},
    official_sha256="4fd0ea5b83c9e7df4fb146a0d9c6bddf2a3a7c295b756693c0b647381249c91e",
    lengths=(11.7, 12.4),
    text=("sentence",),
    values=("0", "1"),
    header=("source", "label", "original label", "sentence"),
    hub_text=("sentence",),
)
