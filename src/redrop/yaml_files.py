"""Reading YAML files and holding them against their schemas: with suspicion, and naming file, line and key.

Read by the Snakefile in every job, so nothing heavy is imported.
"""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from redrop.checks import suggest
from redrop.errors import ConfigError, storage_error

MAX_NODES = 100_000
"""Values in a YAML file, each repetition (``*name``) counted: a few lines can stand for billions."""

MAX_DEPTH = 1000
"""How deep values may stand in each other: libyaml would use up the stack, and end the process."""
_Fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, where PyYAML was built with it: eight times as fast, and every command reads ten files."""


class _StrictLoader(_Fast):
    """Safe YAML that refuses a key given twice (YAML itself would keep the last one in silence)."""

    def get_single_node(self) -> yaml.Node | None:
        """The document, refused where its repetitions make it endless or very large."""
        node = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node


def _check_depth(file: io.StringIO) -> None:
    depth = 0
    for event in yaml.parse(file, Loader=_Fast):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            raise ConfigError(f"{_place(event)}: values more than {MAX_DEPTH:,} deep; correct it there")


def _place(node: yaml.Node | yaml.Event) -> str:
    return f"{node.start_mark.name}, line {node.start_mark.line + 1}"


def _count(node: yaml.Node, counted: dict[int, int]) -> int:
    """How many values ``node`` stands for; those of a node in progress are not counted yet (0)."""
    if id(node) not in counted:
        counted[id(node)] = 0
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            parts = [part for pair in parts for part in pair]
        total = 1 + sum(_count(part, counted) for part in parts)
        if total > MAX_NODES:
            raise ConfigError(f"{_place(node)}: more than {MAX_NODES:,} values; repeat (*name) less")
        counted[id(node)] = total
    elif not counted[id(node)]:
        raise ConfigError(f"{_place(node)}: what is repeated there holds itself; write it out")
    return counted[id(node)]


def _mapping(loader: _StrictLoader, node: yaml.MappingNode) -> dict[str, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue  # <<: what is written out goes before what is merged
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise ConfigError(f"{_place(key_node)}: the key {key!r} is no text; put it in quotes")
        if key in seen:
            raise ConfigError(f"{_place(key_node)}: {key!r} is given twice; keep one of them")
        seen.add(key)
    loader.flatten_mapping(node)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read_yaml(path: Path) -> Any:
    """Read a YAML file; raises ``ConfigError`` naming file and line."""
    try:
        file = io.StringIO(path.read_text(encoding="utf-8"))
        file.name = str(path)  # for what is said of a place in it
        _check_depth(file)
        file.seek(0)
        return yaml.load(file, Loader=_StrictLoader)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: no such file; give one that is there") from error
    except OSError as error:
        raise ConfigError(str(storage_error(error, path))) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: such as a wrong date
        told = " ".join(str(error).split())
        raise ConfigError(f"{path}: not YAML in UTF-8: {told}; correct it there") from error


@cache
def _schema(name: str, root: Path) -> dict[str, Any]:
    return read_yaml(root / "workflow" / "schemas" / f"{name}.schema.yaml")


def check_schema(value: Any, schema: str, root: Path, where: str) -> None:
    """Check ``value`` against workflow/schemas/<schema>.schema.yaml; names the key, the value, the rule."""
    _refuse_unfit(value, where)
    validator = jsonschema.Draft202012Validator(_schema(schema, root))
    error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    if error is None:
        return
    key = ".".join(str(part) for part in error.absolute_path) or "top level"
    hint = ""
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        unknown = [name for name in error.instance if name not in known]
        hint = f" (allowed: {', '.join(known)})" + "".join(suggest(name, known) for name in unknown)
    told = error.message if len(error.message) <= 300 else f"{error.message[:300]}..."
    rule = f"workflow/schemas/{schema}.schema.yaml says what may stand there"
    raise ConfigError(f"{where}: {key}: {told}{hint}; {rule}")


def _refuse_unfit(value: Any, where: str) -> None:
    """Refuse what no schema can be held against: a config may come from Snakemake's own reader."""
    if isinstance(value, dict):
        for key, part in value.items():
            if not isinstance(key, str):
                raise ConfigError(f"{where}: the key {key!r} is no text; put it in quotes")
            _refuse_unfit(part, where)
    elif isinstance(value, list):
        for part in value:
            _refuse_unfit(part, where)
    elif isinstance(value, int) and abs(value) >= 2**63:  # too long to be printed, perhaps
        raise ConfigError(f"{where}: a whole number is not below 2**63; give a smaller one")
