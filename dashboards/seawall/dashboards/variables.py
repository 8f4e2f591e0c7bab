"""The choices at the top of every board, and the marks on every time axis."""

from __future__ import annotations

from seawall.dashboards.ask import GUARD, Ask
from seawall.dashboards.options import Options
from seawall.dashboards.panels import Annotation, Variable
from seawall.telemetry import catalog
from seawall.telemetry.promql import Matcher, Scope, matches


def over_replicas(options: Options, *, dependencies: bool) -> tuple[Variable, ...]:
    """For a board over all replicas: what is recorded can't be chosen by what was not kept."""
    replicas = not options.recorded
    every = variables(options, one_guard=False, operations=False, replicas=replicas)
    return tuple(each for each in every if dependencies or replicas or each.name != "dependency")


def variables(
    options: Options, *, one_guard: bool, operations: bool, replicas: bool = True
) -> tuple[Variable, ...]:
    """Cluster and namespace where there are such labels, then job, instance, dependency and operation.

    Each offers what there is of those before it: a board without ``replicas`` must not ask for an instance.
    """
    chosen: list[Variable] = []
    matchers: list[Matcher] = []

    def add(
        name: str, title: str, label: str, series: catalog.Series, *, several: bool = True, text: str
    ) -> None:
        source = Scope(tuple(matchers), options.process_labels).select(series)
        chosen.append(
            Variable(name=name, title=title, label=label, source=source, several=several, description=text)
        )
        matchers.append(matches(label, f"${name}"))

    if options.cluster_label:
        add("cluster", "Cluster", options.cluster_label, catalog.BUILD_INFO, text="Where the service runs.")
    if options.namespace_label:
        add("namespace", "Namespace", options.namespace_label, catalog.BUILD_INFO, text="Part of a cluster.")
    add("job", "Job", options.job_label, catalog.BUILD_INFO, text="The service, as Prometheus scrapes it.")
    if replicas:
        one = options.instance_label
        add("instance", "Instance", one, catalog.BUILD_INFO, text="One process of the service.")
    add(
        "dependency",
        "Dependency",
        "dependency",
        catalog.POLICY_INFO,
        several=not one_guard,
        text="What the service calls: the name of the guard.",
    )
    matchers[-1] = GUARD
    if operations:
        add("operation", "Operation", "operation", catalog.CALLS, text="What is asked of the dependency.")
    return tuple(chosen)


def transitions(ask: Ask, options: Options) -> tuple[Annotation, ...]:
    """Openings and closings of breakers."""
    colours = options.palette.states
    return tuple(
        Annotation(
            name=name,
            expr=ask.moved(state),
            colour=colours[state],
            title=f"{ask.legend} {word}",
            text="Breaker",
        )
        for name, state, word in (
            ("Breaker opened", "open", "opened"),
            ("Breaker closed", "closed", "closed"),
        )
    )
