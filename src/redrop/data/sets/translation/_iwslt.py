"""TED talks in IWSLT's format, cleaned as R-Drop's recipe cleans IWSLT14 (fairseq's prepare-iwslt14.sh)."""

from __future__ import annotations

from typing import Any

from redrop.data.sources import hub_file
from redrop.data.translation import ParallelSet

IWSLT17_REVISION = "ebd7c60d9800c2a1be010a227e5f0a2363730f7a"


def talks(
    name: str, languages: tuple[str, str], about: str, pair: str, tests: tuple[str, ...], **values: Any
) -> ParallelSet:
    """A text of TED talks in IWSLT's format, cleaned as the usual recipe cleans it."""
    recipe = {"straighten": True, "limits": (1, 175), "ratio": 1.5, "every": 23, "merges": 10_000}
    return ParallelSet(
        name=name,
        languages=languages,
        about=about,
        license="CC BY-NC-ND (TED talks); for research",
        layout="ted",
        members={"train": (f"train.tags.{pair}",), "test": tuple(f"{test}.{pair}" for test in tests)},
        **(recipe | values),
    )


def iwslt17(pair: str, about: str, size: int, sha256: str, **values: Any) -> ParallelSet:
    one, other = pair.split("-")
    place = f"iwslt2017/resolve/{IWSLT17_REVISION}/data/2017-01-trnted/texts/{one}/{other}/{pair}.tgz"
    archive = hub_file(place, f"iwslt17_{one}_{other}", sha256, size)
    years = ("dev2010", *(f"tst{year}" for year in range(2010, 2016)))
    return talks(
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
