"""QNLI: does the sentence hold the answer to the question?"""

from redrop.data.glue import official

DATA_SET = official(
    "QNLI",
    "does the sentence hold the answer to the question?",
    {
        "train": (17528917, "ebc7cb70a5bbde0b0336c3d51f31bb4df4673e908e8874b090b52169b1365c6c"),
        "dev": (872062, "e69311b81dc65589286091d9905a27617a90436dd215c7a59832fa8f4f336169"),
    },
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    rows={"train": 104_743, "dev": 5463},
    balance={"dev": (2702, 2761)},
    lengths=(52.0, 51.7),  # train assumed to be as dev, which was measured
    text=("question", "sentence"),
    hub_text=("question", "sentence"),
)
