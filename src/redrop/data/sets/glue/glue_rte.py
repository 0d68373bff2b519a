"""RTE: does one sentence entail the other?"""

from redrop.data.glue import official

DATA_SET = official(
    "RTE",
    "does one sentence entail the other?",
    {
        "train": (583976, "a6252ab17015d718f6de1effe0980f7b158df63e3d16207cd8bd396b608e5147"),
        "dev": (69020, "fb2aa2e04f551133ba663617a15ae133dc22b0f6a969bc0629b5ea6003ee9cf8"),
    },
    labels=("entailment", "not_entailment"),
    metrics=("accuracy",),
    rows={"train": 2490, "dev": 277},
    balance={"train": (1249, 1241), "dev": (146, 131)},
    official_sha256="36d640bd5df434d2ed5612661972be28905a45338130fc3a5fbfcdd4248e78bc",
    lengths=(67.6, 76.2),
)
