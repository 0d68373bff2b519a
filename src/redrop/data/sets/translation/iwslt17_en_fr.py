"""IWSLT17, English and French."""

from redrop.data.base import PairLengths
from redrop.data.sets.translation._iwslt import iwslt17

DATA_SET = iwslt17(
    "en-fr",
    "TED talks in English and French (IWSLT17)",
    27_691_674,
    "1f5bd8cd242de15fb58a04af265adb8e604a7e1b805a42cb0de7dfd15447c5c6",
    lengths=PairLengths(25.2, 25.2, 10_000, 8_600),  # assumed: as IWSLT14's German and English
)
