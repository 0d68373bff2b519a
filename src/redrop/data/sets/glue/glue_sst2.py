"""SST-2: is a phrase of a film review positive?"""

from redrop.data.glue import official

DATA_SET = official(
    "SST-2",
    "is a phrase of a film review positive?",
    {
        "train": (3110468, "66a253e67968acfabcbe49dbe9da964b42ac1c851c40ab760e8c8942efdb3229"),
        "dev": (72819, "a1371f3b3a7b0bcefa8388799a9359dc3ce76c349cc0079507a7991364fd2a9b"),
    },
    labels=("negative", "positive"),
    pair=False,
    metrics=("accuracy",),
    rows={"train": 67_349, "dev": 872},
    balance={"train": (29_780, 37_569), "dev": (428, 444)},
    official_sha256="31d100780ac7395937a60f3b4a6471dcf89bdc736665528c7d4fceebc4928371",
    lengths=(14.0, 27.0),
    text=("sentence",),
    values=("0", "1"),
    hub_text=("sentence",),
)
