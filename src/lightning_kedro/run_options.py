"""The options of ``kedro run`` that name something of the project, checked before the run begins.

Kedro answers a name that does not exist with a traceback; here each gets a sentence.
"""

from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, Final

from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline

from lightning_kedro.exceptions import ParameterError

DEFAULT_PIPELINE: Final = "__default__"


def check_run_options(options: Mapping[str, Any], environments: Collection[str]) -> None:
    """Refuse pipelines, nodes, datasets, tags, runners and environments that do not exist.

    Args:
        options: The options of ``kedro run`` by the name of their argument.
        environments: The environments that there are; empty if nobody can say.

    Raises:
        ParameterError: If a name does not exist, or if the options together leave no node to run.
    """
    if options.get("env") and environments:
        _check("environment", "env", _names(options, "env"), environments)
    _check_runner(options.get("runner"))
    if options.get("pipeline") and options.get("pipelines"):
        raise ParameterError("--pipeline is the former name of --pipelines: use the latter alone.")
    pipeline = _combine(_names(options, "pipelines") or _names(options, "pipeline"))
    nodes = {node.name for node in pipeline.nodes}
    for argument in ("node_names", "from_nodes", "to_nodes"):
        option = {"node_names": "nodes"}.get(argument, argument)
        _check_nodes(option, _names(options, argument), nodes)
    for argument in ("from_inputs", "to_outputs"):
        _check("dataset", argument, _names(options, argument), pipeline.datasets())
    tags = {tag for node in pipeline.nodes for tag in node.tags}
    _check("tag", "tags", _names(options, "tags"), tags)
    spaces = {space for node in pipeline.nodes for space in node.namespace_prefixes}
    _check("namespace", "namespaces", _names(options, "namespaces"), spaces)
    _check_any_left(pipeline, options)


def _names(options: Mapping[str, Any], argument: str) -> list[str]:
    """The names that an option holds."""
    value = options.get(argument) or []
    return [value] if isinstance(value, str) else list(value)


def _check_runner(runner: str | None) -> None:
    """Refuse a runner that cannot be imported."""
    from kedro.utils import load_obj

    if runner is None:
        return
    try:
        load_obj(runner, "kedro.runner")
    except (AttributeError, ImportError, ValueError):
        raise ParameterError(
            f"--runner {runner} cannot be imported. Kedro's are SequentialRunner, ThreadRunner and "
            "ParallelRunner; another one is named by its module, as in package.module.Runner."
        ) from None


def _combine(names: Iterable[str]) -> Pipeline:
    """The pipelines of some names as one."""
    wanted = list(names) or [DEFAULT_PIPELINE]
    _check("pipeline", "pipelines", wanted, [*pipelines.keys()])
    return sum((pipelines[name] for name in wanted), start=Pipeline([]))


def _check_nodes(option: str, wanted: Iterable[str], known: Collection[str]) -> None:
    """Refuse unknown nodes, and tell those of other pipelines apart."""
    everywhere = {node.name for node in pipelines[DEFAULT_PIPELINE].nodes}
    for name in wanted:
        if name in everywhere and name not in known:
            raise ParameterError(
                f"--{option.replace('_', '-')}: {name} is no node of the pipelines chosen. "
                "Leave out --pipelines, or name the one that it is in."
            )
    _check("node", option, wanted, known)


def _check(kind: str, option: str, wanted: Iterable[str], known: Collection[str]) -> None:
    """Refuse the first name that does not exist."""
    for name in wanted:
        if name not in known:
            raise ParameterError(
                f"--{option.replace('_', '-')}: there is no {kind} {name!r}. {_advise(name, known)}"
            )


def _advise(name: str, known: Collection[str]) -> str:
    """What to write instead of a name that does not exist."""
    shown = sorted(one for one in known if one and not one.startswith(("__", "params:")))
    if not shown:
        return "Leave the option out: there is none."
    close = get_close_matches(name, shown, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(shown)}."


def _check_any_left(pipeline: Pipeline, options: Mapping[str, Any]) -> None:
    """Refuse options that are right one by one and leave no node together."""
    names = {
        "node_namespaces" if argument == "namespaces" else argument: _names(options, argument)
        for argument in (
            *("tags", "from_nodes", "to_nodes", "node_names"),
            *("from_inputs", "to_outputs", "namespaces"),
        )
    }
    try:
        pipeline.filter(**names)
    except ValueError:
        raise ParameterError(
            "The options of the run leave no node to run: no node is in all that they choose. "
            "Leave some of them out."
        ) from None
