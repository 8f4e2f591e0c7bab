#!/usr/bin/env bash
# Brings dashboards/generated and alerts/generated in line with the reference service's policies, and
# docs/reference/telemetry.md with the catalog.
# With --check nothing is written: it shows the differences and exits 1 when there are any.
set -euo pipefail
cd "$(dirname "$0")/.."

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
PYTHONPATH=deploy .venv/bin/python -m seawall.cli generate --from reference.guards:registry --out "$out/bundle" >"$out/log" ||
    { cat "$out/log" >&2; exit 1; }

# What Grafana reads goes to the one folder, what Prometheus and Alertmanager read to the other.
mkdir -p "$out/dashboards" "$out/alerts"
for part in "$out"/bundle/*; do
    case "${part##*/}" in
        dashboards) cp -R "$part"/. "$out/dashboards/" ;;
        grafana) cp -R "$part" "$out/dashboards/" ;;
        *) cp -R "$part" "$out/alerts/" ;;
    esac
done

.venv/bin/python -m seawall.telemetry.reference >"$out/telemetry.md"

for area in dashboards alerts; do
    if [ "${1-}" = --check ]; then
        diff -ru "$area/generated" "$out/$area" || { echo "generate: $area/generated is out of date: make generate" >&2; exit 1; }
    else
        rm -rf "$area/generated"
        cp -R "$out/$area" "$area/generated"
    fi
done

if [ "${1-}" = --check ]; then
    diff -u docs/reference/telemetry.md "$out/telemetry.md" || { echo "generate: docs/reference/telemetry.md is out of date: make generate" >&2; exit 1; }
else
    cp "$out/telemetry.md" docs/reference/telemetry.md
fi
