#!/usr/bin/env bash
# Unpacks newer Prometheus and Alertmanager than this Debian's, from the suites after it, below .newer/ : the
# tests of versions run them from there. Nothing is installed, and apt's own lists stay as they are. What is
# there already is not fetched again; `rm -r .newer` forgets it.
#
#   newer.sh        exits 1 when a suite can't be had
#   newer.sh test   says so in one line, and exits 0: the tests of what is missing are skipped
set -euo pipefail
cd "$(dirname "$0")/.."

suites="${SUITES:-trixie sid}"
out="$PWD/.newer"
packages="prometheus promtool prometheus-alertmanager"
mode="${1:-all}"

case "$mode" in
    all) without() { printf 'newer: %s\n' "$*" >&2; exit 1; } ;;
    test) without() { printf 'newer: going on without newer servers to test with: %s\n' "$*" >&2; exit 0; } ;;
    *) printf 'newer: unknown mode "%s"; one of: all, test\n' "$mode" >&2; exit 2 ;;
esac

missing=""
for suite in $suites; do [ -e "$out/.$suite" ] || missing="${missing:+$missing }$suite"; done
[ -n "$missing" ] || exit 0

command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null ||
    without "this is no Debian; one may unpack programs into .newer/NAME-VERSION/usr/bin"

# From wherever this machine gets Debian.
sites="$(apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages')"
site="$(awk '$1 == "Debian" && $2 !~ /security/ { print $2; exit }' <<<"$sites")"
[ -n "$site" ] || site="$(awk '$2 !~ /security/ { print $2; exit }' <<<"$sites")"
[ -n "$site" ] || without "apt knows no archive of Debian here"

mkdir -p "$out"
apt="$(mktemp -d "$out/.fetching-XXXXXX")"
trap 'rm -rf "$apt"' EXIT

# $1: a suite. A line of why on its output when it can't be had.
fetch() {
    local folder="$apt/$1" deb name version
    mkdir -p "$folder"/{lists/partial,archives/partial,debs,unpacked}
    : >"$folder/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $1 main" >"$folder/sources.list"
    cat >"$folder/conf" <<CONF
Dir::State::status "$folder/status";
Dir::State::lists "$folder/lists";
Dir::Cache "$folder";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "0";
Acquire::http::Timeout "10";
Acquire::https::Timeout "10";
APT::Update::Error-Mode "any";
CONF
    export APT_CONFIG="$folder/conf"
    timeout 60 apt-get -qq update >"$folder/log" 2>&1 || { echo "$1 can't be had from $site"; return 1; }
    # shellcheck disable=SC2086 # a word each
    (cd "$folder/debs" && timeout 120 apt-get -qq download $packages >"$folder/log" 2>&1) ||
        { echo "$1 has not all of $packages"; return 1; }
    for deb in "$folder"/debs/*.deb; do
        name="$(dpkg-deb -f "$deb" Package)"
        version="$(dpkg-deb -f "$deb" Version)"
        # One folder for a server and its tools, which later suites have apart.
        dpkg-deb -x "$deb" "$folder/unpacked/${name/promtool/prometheus}-${version%%[+-]*}" ||
            { echo "$name of $1 can't be unpacked"; return 1; }
    done
    # Whole or not at all, and never in place of what somebody runs just now.
    for unpacked in "$folder"/unpacked/*; do
        [ -e "$out/${unpacked##*/}" ] || mv "$unpacked" "$out/" || { echo "$out can't be written"; return 1; }
        echo "newer: $1 has ${unpacked##*/}" >&2
    done
    touch "$out/.$1"
}

problems=""
for suite in $missing; do
    why="$(fetch "$suite")" || problems="${problems:+$problems; }$why"
done
[ -z "$problems" ] || without "$problems"
