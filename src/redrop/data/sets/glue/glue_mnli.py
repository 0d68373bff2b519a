"""MNLI: does a premise entail or contradict a hypothesis?"""

from redrop.data.glue import official

DATA_SET = official(
    "MNLI",
    "does a premise entail or contradict a hypothesis?",
    {
        "train": (52224361, "49a4a5508b89b8fed2c6e81d2c47d00f4759050a7048c6cc5d95d31122ced3c1"),
        "dev_matched": (1214936, "7f918c09d9c35446b8e8f06a5672f8ab704e2897fecbf52e2e154141f3d7c421"),
        "dev_mismatched": (1251152, "04aba92823a954be36fe1b69b61eed334c9eb1009daba0dd79f69d77b87c535c"),
    },
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    rows={"train": 392_702, "dev_matched": 9815, "dev_mismatched": 9832},
    lengths=(40.0, 40.0),  # assumed: 30 words and 3 marks
    label="gold_label",
    hub_text=("premise", "hypothesis"),
)
