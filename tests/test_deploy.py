"""Dashboard and alerts speak of metrics and labels that the service has."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from forecaster.cli.predict import predict
from service.metrics.definitions import METRICS
from service.problems import KINDS
from service.settings import Settings, variable_of

DEPLOY = Path(__file__).parents[1] / "deploy"
ALERTS = DEPLOY / "alerts.yml"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana-dashboard.json").read_text(encoding="utf-8"))
RULES: list[dict[str, Any]] = yaml.safe_load(ALERTS.read_text(encoding="utf-8"))["groups"][0]["rules"]
TARGETS = [(panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [(rule["alert"], rule["expr"]) for rule in RULES] + TARGETS
OF_PROMETHEUS = {"job", "instance", "le"}
FUNCTIONS = {"rate", "increase", "changes", "histogram_quantile", "sum", "min", "max", "time"}
WORDS = {"by", "on", "and", "or", "offset"}
TOKEN = re.compile(
    r"""(?P<text>"[^"]*")|(?P<range>\[(?:\d+[smhd]|\$__rate_interval)\])|(?P<duration>\d+[smhd]\b)
    |(?P<number>\d+(?:\.\d+)?(?:e\d+)?)|(?P<name>[a-zA-Z_]\w*)|(?P<operator>=~|!~|==|!=|>=|<=|[-+*/<>=(){},])|\s+""",
    re.VERBOSE,
)
METRIC = re.compile(r"\b(forecaster_\w+|up)\b(?:\{([^}]*)\})?")


def tokens(expression: str) -> list[tuple[str, str]]:
    found, at = [], 0
    while at < len(expression):
        match = TOKEN.match(expression, at)
        assert match, f"not PromQL from here: {expression[at:]}"
        found += [(match.lastgroup, match[0])] if match.lastgroup else []
        at = match.end()
    return found


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS)
def test_expressions_are_promql_word_by_word(name: str, expression: str) -> None:
    depth: list[str] = []
    for kind, word in tokens(expression):
        if word in "({":
            depth.append(word)
        elif word in ")}":
            assert depth.pop() + word in {"()", "{}"}, name
        elif kind == "name" and depth[-1:] != ["{"]:
            labels = {label for metric in METRICS.values() for label in metric.labels} | OF_PROMETHEUS
            assert word in FUNCTIONS | WORDS | labels or METRIC.fullmatch(word), (name, word)
    assert not depth, name


def base(name: str) -> str:
    return name if name in METRICS else re.sub("_(bucket|sum|count)$", "", name)


@pytest.mark.parametrize(("name", "expression"), EXPRESSIONS)
def test_metrics_and_labels_exist(name: str, expression: str) -> None:
    used = METRIC.findall(expression)
    assert used, name
    labels: set[str] = set(OF_PROMETHEUS)
    for metric, matchers in used:
        if metric == "up":
            continue
        assert base(metric) in METRICS, (name, metric)
        own = set(METRICS[base(metric)].labels) | OF_PROMETHEUS
        labels |= own
        assert set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers)) <= own, name
    grouped = [
        label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in group.split(",")
    ]
    assert set(grouped) <= labels, name
    assert set(re.findall(r'kind="([^"]*)"', expression)) <= set(KINDS), name


def test_counters_are_looked_at_as_rates_and_gauges_as_they_are() -> None:
    for name, expression in EXPRESSIONS:
        for metric in set(re.findall(r"forecaster_\w+", expression)):
            is_counted = METRICS[base(metric)].kind != "gauge"
            looked = re.search(rf"(rate|increase)\({metric}\b", expression) is not None
            assert looked == is_counted, (name, metric)


def test_legends_and_variables_name_labels_that_are_left() -> None:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            metric = METRICS[base(METRIC.findall(target["expr"])[0][0])]
            named = set(re.findall(r"{{(\w+)}}", target.get("legendFormat", "")))
            assert named <= set(metric.labels) | OF_PROMETHEUS, panel["title"]
            used = set(re.findall(r"\$(\w+)", target["expr"])) - {"__rate_interval"}
            assert used <= {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    for variable in DASHBOARD["templating"]["list"]:
        for metric_name, label in re.findall(r"label_values\((\w+), (\w+)\)", variable["query"]):
            assert label in set(METRICS[metric_name].labels) | OF_PROMETHEUS


def test_every_alert_says_what_is_wrong_and_how_bad_it_is() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"].endswith(".")


def test_every_panel_has_a_place_of_its_own() -> None:
    places: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        own = {(grid["x"] + x, grid["y"] + y) for x in range(grid["w"]) for y in range(grid["h"])}
        assert not own & places, panel["title"]
        assert max(x for x, _ in own) < 24
        places |= own


def test_every_metric_is_on_the_dashboard_or_watched() -> None:
    shown = {base(name) for _, expression in EXPRESSIONS for name in re.findall(r"forecaster_\w+", expression)}
    assert shown == set(METRICS)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_rules() -> None:
    subprocess.run(["promtool", "check", "rules", str(ALERTS)], check=True, timeout=60)  # noqa: S603, S607 - our own file


COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_the_compose_file_runs_one_image_twice_with_settings_there_are() -> None:
    services = COMPOSE["services"]
    assert services["api"]["image"] == services["worker"]["image"]
    assert services["worker"]["command"] == ["forecaster", "worker"]
    known = {variable_of(item) for item in fields(Settings)}
    for name in ("api", "worker"):
        assert set(services[name]["environment"]) <= known
        assert services[name]["environment"]["DATABASE_URL"].startswith("postgresql://")
        assert services[name]["read_only"] is True
        mounted = {volume.partition(":")[2] for volume in services[name]["volumes"]}
        dockerfile = (DEPLOY.parent / "Dockerfile").read_text(encoding="utf-8")
        assert mounted == set(re.findall(r'"(/[^"]+)"', re.search(r"VOLUME (.*)", dockerfile)[1]))  # type: ignore[index]  # it has one
    assert services["api"]["environment"]["FORECASTER_JOB_WORKERS"] == "0"
    assert set(COMPOSE["volumes"]) == {"models", "state", "database"}


def test_the_batch_on_kubernetes_runs_a_command_that_there_is() -> None:
    job, claim = yaml.safe_load_all((DEPLOY / "kuberay.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    entrypoint, _, otherwise = job["spec"]["entrypoint"].partition(" || ")
    program, command, *arguments = shlex.split(entrypoint)
    assert (program, command) == ("forecaster", "predict")
    context = predict.make_context(command, arguments)
    assert (context.params["executor"], context.params["resume"]) == ("ray", True)
    for code, comes_of_it in {0: 0, 2: 1, 3: 0, 137: 1}.items():  # 3: some series have no forecast, all else is done
        assert subprocess.call(["sh", "-c", f"(exit {code}) || {otherwise}"]) == comes_of_it  # noqa: S603, S607 - ours
    assert job["spec"]["backoffLimit"] == 1  # wrong input is not tried again and again: no rule goes by exit codes
    assert "podFailurePolicy" not in str(job), "a field of Kubernetes' own jobs, which a RayJob does not have"
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    containers = [one for group in groups for one in group["template"]["spec"]["containers"]]
    assert {one["image"] for one in containers} == {"forecaster-ray"}
    (volume,) = cluster["headGroupSpec"]["template"]["spec"]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    mounts = {mount["name"]: mount["mountPath"] for mount in containers[0]["volumeMounts"]}
    assert all(path.startswith(mounts["data"]) for path in arguments if path.startswith("/"))


def test_one_version_of_ray_is_named() -> None:
    locked = re.findall(r"^ray==(\S+)", (DEPLOY.parent / "requirements/scale.txt").read_text(encoding="utf-8"), re.M)
    image = re.findall(r"^ARG RAY=(\S+)", (DEPLOY / "ray.Dockerfile").read_text(encoding="utf-8"), re.M)
    manifest = re.findall(r'rayVersion: "(.*)"', (DEPLOY / "kuberay.yaml").read_text(encoding="utf-8"))
    assert locked == image == manifest
