"""Which parallel texts there are, what their files look like, and how each is prepared.

Every setting says where it comes from: `authors-code` is R-Drop's official recipe for IWSLT14 (fairseq's
prepare-iwslt14.sh), on which paper A's baselines rest; `inferred` is what follows from it for another pair;
`chosen` is ours. Standard library only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from redrop.data.sources import RemoteFile
from redrop.data.translation_toy import EDITION as TOY_EDITION
from redrop.data.translation_toy import ROWS as TOY_ROWS

TED_LICENSE = "CC BY-NC-ND (TED talks); for research"
IWSLT17_REVISION = "ebd7c60d9800c2a1be010a227e5f0a2363730f7a"
MULTI30K_COMMIT = "a3d2e0d26b56f3846f66a952536ffed4e401d05a"
GIB = 2**30


@dataclass(frozen=True, kw_only=True)
class ParallelSet:
    """A parallel text: its files, and how it is prepared."""

    name: str
    languages: tuple[str, str]
    """Codes of both; each direction between them reads the same prepared folder."""
    about: str
    license: str
    editions: Mapping[str, tuple[RemoteFile, ...]] = field(hash=False)
    """Edition -> its files. The first that a mirror has in full is taken, else the last is downloaded."""
    layout: str
    """How the files are read: a name in `translation_files.READERS`."""
    members: Mapping[str, tuple[str, ...]] = field(hash=False)
    """Split -> the files that make it up, in order, without the ending that names the language."""
    inside: str = ""
    """Name of an archive within the archive that holds the members."""
    tokenisers: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Language -> Moses's code of the rules that split it, where that is not its own code."""
    straighten: bool = False
    """Whether the test sets, and only they, get straight apostrophes before they are tokenised."""
    lower_case: bool = True
    """Whether the tokenised text is lower-cased."""
    limits: tuple[int, int] | None = None
    """Fewest and most tokens of either side of a training pair."""
    ratio: float | None = None
    """How many times as many tokens one side of a training pair may have as the other."""
    every: int | None = None
    """Every n-th of the cleaned training pairs goes to validation."""
    shares: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Split -> per cent of the sentences that are parted off for it, where the text has no splits."""
    merges: int
    """Merges of the joint BPE, at most; 0: the symbols are the words."""
    rows: Mapping[str, int] = field(default_factory=dict, hash=False)
    """Official number of pairs of a split as released, where known for sure."""
    where_from: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Setting -> where its value comes from."""
    generated: bool = False
    """Whether it is a toy: generated, never to be shown as real data."""

    @property
    def files(self) -> dict[str, tuple[str, ...]]:
        """Edition -> names of its raw files."""
        if self.generated:
            names = [name for names in self.members.values() for name in names]
            both = tuple(f"{name}.{language}" for name in names for language in self.languages)
            return dict.fromkeys(self.editions, both)
        return {edition: tuple(file.name for file in files) for edition, files in self.editions.items()}

    @property
    def splits(self) -> tuple[str, ...]:
        """`train`, `valid`, then the test sets."""
        return tuple(dict.fromkeys(("train", "valid", *self.members, *self.shares)))

    @property
    def settings(self) -> dict[str, Any]:
        """What decides how the released text is prepared, as plain values; meta.json holds them."""
        return {
            "languages": list(self.languages),
            "members": {split: list(names) for split, names in self.members.items()},
            "tokenisers": {language: self.tokenisers.get(language, language) for language in self.languages},
            "straighten": self.straighten,
            "lower_case": self.lower_case,
            "limits": None if self.limits is None else list(self.limits),
            "ratio": self.ratio,
            "every": self.every,
            "shares": dict(self.shares),
            "merges": self.merges,
        }


def _ted(
    name: str, languages: tuple[str, str], about: str, pair: str, tests: tuple[str, ...], **values: Any
) -> ParallelSet:
    """A text of TED talks in IWSLT's format, cleaned as the usual recipe cleans it."""
    recipe = {"straighten": True, "limits": (1, 175), "ratio": 1.5, "every": 23, "merges": 10_000}
    return ParallelSet(
        name=name,
        languages=languages,
        about=about,
        license=TED_LICENSE,
        layout="ted",
        members={"train": (f"train.tags.{pair}",), "test": tuple(f"{test}.{pair}" for test in tests)},
        **(recipe | values),
    )


def _iwslt17(pair: str, about: str, size: int, sha256: str, **values: Any) -> ParallelSet:
    one, other = pair.split("-")
    archive = RemoteFile(
        name=f"{pair}.tgz",
        url=f"https://huggingface.co/datasets/iwslt2017/resolve/{IWSLT17_REVISION}"
        f"/data/2017-01-trnted/texts/{one}/{other}/{pair}.tgz",
        sha256=sha256,
        size=size,
        mirror=(f"iwslt17_{one}_{other}/{pair}.tgz",),
        mirror_sha256=(sha256,),
    )
    years = ("dev2010", *(f"tst{year}" for year in range(2010, 2016)))
    return _ted(
        f"iwslt17_{one}_{other}",
        (one, other),
        about,
        pair,
        tuple(f"IWSLT17.TED.{year}" for year in years),
        editions={f"hub {IWSLT17_REVISION[:12]}": (archive,)},
        where_from={
            "recipe": "inferred: that of IWSLT14",
            "members": f"chosen: the archive of {pair} for both directions; test is all its sets, by year",
            **values.pop("where_from", {}),
        },
        **values,
    )


def _multi30k(ending: str, files: Mapping[str, tuple[int, str, str]]) -> tuple[RemoteFile, ...]:
    """Its files, gzipped as released (`.gz`) or unpacked (no ending), as only mirrors have them."""
    folder = f"https://raw.githubusercontent.com/multi30k/dataset/{MULTI30K_COMMIT}/data/task1/raw"
    remotes = []
    for name, (size, packed, unpacked) in files.items():
        sha256 = packed if ending else unpacked
        remotes.append(
            RemoteFile(
                name=name + ending,
                # Of an unpacked file never asked for: only a mirror that has them all is read for those.
                url=f"{folder}/{name}.gz",
                sha256=packed if ending else None,
                size=size,
                mirror=(f"multi30k/{name}{ending}",),
                mirror_sha256=(sha256,),
            )
        )
    return tuple(remotes)


_MULTI30K = {
    "train.de": (
        637044,
        "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
        "2c2b73fd2b548fbcde3a875e0a78d6ee94d498bfdee6bd3eae3945779e9ddf72",
    ),
    "train.en": (
        568929,
        "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
        "460a15fbd157e34a7a9957ee388c1ca247fe47af3ef25fb50442af6c274e0fc6",
    ),
    "val.de": (
        24681,
        "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
        "660e09eb7e1da2f856ea13ee5ad3cf6d36b3d5b0b733c857e94c5747a3dfc660",
    ),
    "val.en": (
        21650,
        "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
        "1f2a23d992769b5b3d209b0a10dd0b77c08cceb1f20dfb97ed0aafa49d107227",
    ),
    "test_2016_flickr.de": (
        22890,
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8",
        "4be6b5b3236b79c25475c6bb829800a7ce559e9ba7a1f6c2394fe4d40be46d16",
    ),
    "test_2016_flickr.en": (
        21077,
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9",
        "399a4382932c1aadd3ceb9bef1008d388a64c76d4ae4e9d4728c6f4301cac182",
    ),
    "test_2017_flickr.de": (
        21471,
        "a2c89666db00c495cd8513b9d708d5a3acc205d7de312ef2bf5fb7ebc1540aee",
        "c3078bc3b36808bf9d20eb2347ed6137016179ef59ec0d2b9b8ecc3fb2880081",
    ),
    "test_2017_flickr.en": (
        19138,
        "76a444ee25172e72695cddb13ae4a3bda59430617be88e0bb46b60504f054074",
        "ce1450ddc5ab0834502579d77a170849952e15a2938b34cc503bdc25ebb4fb98",
    ),
    "test_2018_flickr.de": (
        26461,
        "ddd0130c7d97482dc5197a02141dae8dd79f20f03586c480d675c09a32daf608",
        "39fcc8b3331d76fb42d648d019c6898b0d5e58baac87bc2a0bb93f44ec8db207",
    ),
    "test_2018_flickr.en": (
        23514,
        "ef4f4844037d4c5dea75c9a8ed5fd78905967a26f67c255e230cc9780032654d",
        "4e585c2dd525911a6ea7730e9d0b516239af3f1b1ffae6a2130223cfb639f25e",
    ),
}
"""File -> bytes and sha256 of the gzipped file at the commit, and sha256 of its content.

The last is that of copies which `gzip` packs to exactly those numbers of bytes, all ten.
"""

SETS: dict[str, ParallelSet] = {
    parallel_set.name: parallel_set
    for parallel_set in (
        _ted(
            "iwslt14_de_en",
            ("de", "en"),
            "TED talks in German and English (IWSLT14)",
            "de-en",
            (
                "IWSLT14.TED.dev2010",
                "IWSLT14.TEDX.dev2012",
                "IWSLT14.TED.tst2010",
                "IWSLT14.TED.tst2011",
                "IWSLT14.TED.tst2012",
            ),
            editions={
                "fairseq's archive": (
                    RemoteFile(
                        name="de-en.tgz",
                        url="https://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",
                        sha256=None,
                        size=None,
                        mirror=("iwslt14_de_en/de-en.tgz",),
                    ),
                )
            },
            rows={"test": 6750},
            where_from={"recipe": "authors-code", "members": "authors-code"},
        ),
        _ted(
            "iwslt14_en_es",
            ("en", "es"),
            "TED talks in English and Spanish (IWSLT14)",
            "en-es",
            tuple(f"IWSLT14.TED.{year}" for year in ("dev2010", "tst2010", "tst2011", "tst2012")),
            inside="en-es.tgz",
            editions={
                "IWSLT 2014-01": (
                    RemoteFile(
                        name="2014-01.tgz",
                        # Without `confirm` the host answers with a page that asks about a virus scan.
                        url="https://drive.usercontent.google.com/download"
                        "?id=1GnBarJIbNgEIIDvUyKDtLmv35Qcxg6Ed&export=download&confirm=t",
                        sha256=None,
                        # Not published: a limit that leaves room for all pairs of languages.
                        size=2 * GIB,
                        mirror=("iwslt14_en_es/2014-01.tgz",),
                    ),
                )
            },
            where_from={
                "recipe": "inferred: that of German and English",
                "members": "inferred: the same sets without TEDX, which is of German; "
                "chosen: the archive en-es for both directions",
            },
        ),
        _iwslt17(
            "en-fr",
            "TED talks in English and French (IWSLT17)",
            27_691_674,
            "1f5bd8cd242de15fb58a04af265adb8e604a7e1b805a42cb0de7dfd15447c5c6",
        ),
        _iwslt17(
            "en-zh",
            "TED talks in English and Chinese (IWSLT17)",
            27_596_371,
            "d178f2ede07d7d600e244649e2092fb5fcbdda9729a3bb016502512028e2615b",
            ratio=9.0,
            where_from={
                "ratio": "chosen: Moses's default, since 1.5 is meant for words and not for characters",
                "tokenisers": "chosen: every Chinese character is a token",
            },
        ),
        ParallelSet(
            name="multi30k_de_en",
            languages=("de", "en"),
            about="captions of photographs in German and English (Multi30k)",
            license="none stated by its repository; the photographs are Flickr30k's; for research",
            editions={
                f"commit {MULTI30K_COMMIT[:12]}, unpacked": _multi30k("", _MULTI30K),
                f"commit {MULTI30K_COMMIT[:12]}": _multi30k(".gz", _MULTI30K),
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
        ),
        ParallelSet(
            name="tatoeba_de_en",
            languages=("de", "en"),
            about="short everyday sentences in German and English (Tatoeba, from manythings.org)",
            license="CC BY 2.0 (tatoeba.org, manythings.org/anki)",
            editions={
                "manythings.org": (
                    RemoteFile(
                        name="deu-eng.zip",
                        url="https://www.manythings.org/anki/deu-eng.zip",
                        sha256=None,
                        size=None,
                        mirror=("tatoeba/deu-eng.zip",),
                    ),
                )
            },
            layout="table",
            members={"train": ("deu.txt",)},
            limits=(1, 175),
            shares={"valid": 2, "test": 2},
            merges=8000,
            where_from={
                "shares": "chosen: parted by the English sentence, of which many pairs share one",
                "ratio": "chosen: none, since people checked these pairs",
                "lower_case, limits, merges": "chosen",
            },
        ),
        ParallelSet(
            name="toy_translation",
            languages=("xx", "yy"),
            about="generated: word for word, with adjectives after their nouns (no real language)",
            license="MIT, as this project",
            editions={TOY_EDITION: ()},
            layout="lines",
            members={split: (split,) for split in TOY_ROWS},
            tokenisers={"xx": "en", "yy": "en"},
            merges=0,
            rows=TOY_ROWS,
            where_from={"all": "chosen"},
            generated=True,
        ),
    )
}
"""Name -> parallel text."""
