"""STS-B: how similar are two sentences, from 0 to 5?"""

from redrop.data.glue import official

DATA_SET = official(
    "STS-B",
    "how similar are two sentences, from 0 to 5?",
    {
        "train": (502065, "bbd93bbb988fd18437e02185fe3b2bd9a18350376c392e7820de9df1b247ed1f"),
        "dev": (150622, "152de7cf1fa34ee4df1c243bd209b02ade21a1d5c4fb3b7da5240f78e4000aa9"),
    },
    metrics=("pearson", "spearman"),
    rows={"train": 5749, "dev": 1500},
    official_sha256="cf96479c76337fe102f897757f7a8268374c84b0b13e6312764a9fa201f1bf20",
    lengths=(28.8, 33.0),
    label="score",
)
