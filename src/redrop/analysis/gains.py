"""Gains over a baseline, paired by seed: on one task, and on the average of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from redrop.analysis.collect import Group
from redrop.analysis.reported import AVERAGE
from redrop.analysis.scoring import SCORE, scale
from redrop.analysis.settings import study_spec
from redrop.analysis.stats import Interval, mean_of_common, paired_differences, t_interval
from redrop.errors import ConfigError
from redrop.spec import RunSpec
from redrop.study import Protocol, Study

BASELINE = "ce"
"""The objective of plain training, and how the names of its rows begin."""
SHARE = "data.train_fraction"


def scores(group: Group, metric: str = SCORE) -> dict[int, float]:
    """Seed -> metric in points of the runs that are done."""
    return {record.spec.seed: scale(record) * record.value(metric) for record in group.done}


def average_scores(groups: Sequence[Group]) -> dict[int, float]:
    """Seed -> mean over the tasks, for the seeds that have every one of them."""
    return mean_of_common([scores(group) for group in groups])


def average_or_task(groups: Sequence[Group], name: str) -> dict[int, float]:
    """Seed -> score in points, on one of the groups' tasks or on their average."""
    if name == AVERAGE:
        return average_scores(groups)
    return next(scores(group) for group in groups if group.task == name)


def gain(of: dict[int, float], over: dict[int, float]) -> Interval:
    """Mean of the paired differences with its interval; positive where ``of`` is higher."""
    return t_interval(list(paired_differences(over, of).values()))


def baselines(study: Study, protocol: str, rows: Mapping[str, Sequence[Group]]) -> dict[str, str]:
    """Configuration -> the plain training that it is compared with: on the same share of the training set.

    A configuration without one, and a baseline itself, is left out. Raises ``ConfigError`` where several
    rows could be the baseline.
    """
    specs: dict[str, RunSpec] = {}
    for config, groups in rows.items():
        own = next((group.spec for group in groups if group.spec), None)
        own = own or study_spec(study, protocol, config, groups[0].task)
        if own is not None:
            specs[config] = own
    plain: dict[float, list[str]] = {}
    for config, spec in specs.items():
        if spec.objective.name == BASELINE and config.startswith(BASELINE):
            plain.setdefault(share(spec), []).append(config)
    for of, configs in plain.items():
        if len(configs) > 1:  # the one that has the protocol's own settings
            known = study.protocols.get(protocol)
            plain[of] = [config for config in configs if known and _changes_nothing(known, config)]
        if len(plain[of]) != 1:
            raise ConfigError(
                f"study {study.name}, protocol {protocol}: {' and '.join(configs)} could each be the plain "
                "training that gains are taken over; give the protocol's own settings to one of them only, "
                "or ask for one only"
            )
    over = {config: plain[share(spec)][0] for config, spec in specs.items() if share(spec) in plain}
    return {config: than for config, than in over.items() if config != than}


def _changes_nothing(protocol: Protocol, config: str) -> bool:
    """Whether a row differs from its protocol in nothing but its method and its share of the training set."""
    return config in protocol.rows and all(
        setting.value == protocol.settings[key].value
        for key, setting in protocol.rows[config].items()
        if not key.startswith("objective.") and key != SHARE
    )


def share(spec: RunSpec) -> float:
    """Share of the training set that a run uses."""
    return getattr(spec.data, SHARE.partition(".")[2], 1.0)
