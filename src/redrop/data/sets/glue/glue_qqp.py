"""QQP: do two questions on Quora ask the same?"""

from redrop.data.glue import official

DATA_SET = official(
    "QQP",
    "do two questions on Quora ask the same?",
    {
        "train": (33558839, "4d6f02e643f7c36e9a4f7d4971a5ee9bd74063a319452fe6c87850c739774cd7"),
        "dev": (3729274, "efd86a539c412d74874ee451573d7bd142f56c47fe36de033b9f367d8bb0fa71"),
    },
    labels=("not_duplicate", "duplicate"),
    metrics=("accuracy", "f1"),
    rows={"train": 363_846, "dev": 40_430},
    lengths=(32.0, 30.9),  # measured on 23,496 of the pairs
    text=("question1", "question2"),
    label="is_duplicate",
    values=("0", "1"),
    hub_text=("question1", "question2"),
    drops_short_rows=True,
)
