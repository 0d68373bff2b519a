"""Multi30k: captions of photographs in German and English, at a pinned commit."""

from __future__ import annotations

from redrop.data.base import PairLengths
from redrop.data.sources import RemoteFile
from redrop.data.translation import ParallelSet

COMMIT = "a3d2e0d26b56f3846f66a952536ffed4e401d05a"
PACKED = {
    "train.de": (637044, "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6"),
    "train.en": (568929, "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f"),
    "val.de": (24681, "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a"),
    "val.en": (21650, "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28"),
    "test_2016_flickr.de": (22890, "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"),
    "test_2016_flickr.en": (21077, "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"),
    "test_2017_flickr.de": (21471, "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee"),
    "test_2017_flickr.en": (19138, "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074"),
    "test_2018_flickr.de": (26461, "ddd0130c7d97482dc5197a02141dae8dd79f20f03586c480d675c09a32daf608"),
    "test_2018_flickr.en": (23514, "ef4f4844037d4c5dea75c9a8ed5fd78905967a26f67c255e230cc9780032654d"),
}
"""File -> bytes and sha256 of the gzipped file at the commit."""
UNPACKED = {
    "train.de": "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    "train.en": "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    "val.de": "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    "val.en": "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    "test_2016_flickr.de": "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    "test_2016_flickr.en": "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    "test_2017_flickr.de": "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081",
    "test_2017_flickr.en": "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98",
    "test_2018_flickr.de": "39fcc8b3331d76fb42d648d019c6898b0d5e58baac87bc2a0bb93f44ec8db207",
    "test_2018_flickr.en": "4e585c2dd525911a6ea7730e9d0b516239af3f1b1ffae6a2130223cfb639f25e",
}
"""File -> sha256 of its content, of copies which `gzip` packs to exactly those numbers of bytes, all ten."""


def _files(ending: str) -> tuple[RemoteFile, ...]:
    """Its files, gzipped as released (`.gz`) or unpacked (no ending), as only mirrors have them."""
    remotes = []
    for name, (size, sha256) in PACKED.items():
        # An unpacked file is never asked for there: only a mirror that has them all is read for those.
        url = f"https://raw.githubusercontent.com/multi30k/dataset/{COMMIT}/data/task1/raw/{name}.gz"
        pinned, sums = (sha256, (sha256,)) if ending else (None, (UNPACKED[name],))
        remotes.append(RemoteFile(name + ending, url, pinned, size, (f"multi30k/{name}{ending}",), sums))
    return tuple(remotes)


DATA_SET = ParallelSet(
    name="multi30k_de_en",
    languages=("de", "en"),
    about="captions of photographs in German and English (Multi30k)",
    license="none stated by its repository; the photographs are Flickr30k's; for research",
    editions={
        f"commit {COMMIT[:12]}, unpacked": _files(""),
        f"commit {COMMIT[:12]}": _files(".gz"),
    },
    layout="lines",
    members={
        "train": ("train",),
        "valid": ("val",),
        "test": ("test_2016_flickr",),
        "test_2017": ("test_2017_flickr",),
        "test_2018": ("test_2018_flickr",),
    },
    limits=(1, 175),
    merges=4000,
    rows={"train": 29_000, "valid": 1014, "test": 1000, "test_2017": 1000, "test_2018": 1071},
    where_from={
        "ratio": "chosen: none, since the official 29,000 pairs are what others train on",
        "merges": "chosen: a small vocabulary for a small text and a small model",
        "lower_case, limits": "chosen: as for IWSLT14",
    },
    lengths=PairLengths(17.4, 17.4, 1_014, 3_071),
)
