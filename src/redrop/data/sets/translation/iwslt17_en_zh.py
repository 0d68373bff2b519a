"""IWSLT17, English and Chinese."""

from redrop.data.base import PairLengths
from redrop.data.sets.translation._iwslt import iwslt17

DATA_SET = iwslt17(
    "en-zh",
    "TED talks in English and Chinese (IWSLT17)",
    27_596_371,
    "d178f2ede07d7d600e244649e2092fb5fcbdda9729a3bb016502512028e2615b",
    ratio=9.0,
    where_from={
        "ratio": "chosen: Moses's default, since 1.5 is meant for words and not for characters",
        "tokenisers": "chosen: every Chinese character is a token",
    },
    lengths=PairLengths(28.0, 28.0, 10_000, 8_600),  # assumed: characters are more than words
)
