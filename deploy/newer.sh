#!/usr/bin/env bash
# Unpacks newer Prometheus and Alertmanager than this Debian's, from the suites after it, below .newer/ : the
# tests of versions run them from there. Nothing is installed, and apt's own lists stay as they are.
set -euo pipefail
cd "$(dirname "$0")/.."

suites="${SUITES:-trixie sid}"
out="$PWD/.newer"
packages="prometheus promtool prometheus-alertmanager"

die() { printf 'newer: %s\n' "$*" >&2; exit 1; }
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || die "this is no Debian: unpack the programs into $out/NAME-VERSION/usr/bin yourself"

# From wherever this machine gets Debian.
site="$(apt-get indextargets --format '$(ORIGIN) $(CODENAME) $(SITE)' 'Created-By: Packages' | awk '$1 == "Debian" && $3 !~ /security/ { print $3; exit }')"
[ -n "$site" ] || site="$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -v security | head -n 1)"
[ -n "$site" ] || die "apt knows no archive of Debian here"

apt="$(mktemp -d)"
trap 'rm -rf "$apt"' EXIT
chmod 755 "$apt"
mkdir -p "$apt"/{lists/partial,archives/partial,debs}
: >"$apt/status"
for suite in $suites; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $suite main"
done >"$apt/sources.list"
cat >"$apt/conf" <<CONF
Dir::State::status "$apt/status";
Dir::State::lists "$apt/lists";
Dir::Cache "$apt";
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "-";
APT::Sandbox::User "";
CONF
APT_CONFIG="$apt/conf" apt-get -qq update || die "the lists of $suites can't be had"

for suite in $suites; do
    for package in $packages; do
        (cd "$apt/debs" && APT_CONFIG="$apt/conf" apt-get -qq download "$package/$suite") || die "$package can't be had from $suite"
    done
done
mkdir -p "$out"
for deb in "$apt"/debs/*.deb; do
    version="$(dpkg-deb -f "$deb" Version)"
    name="$(dpkg-deb -f "$deb" Package)"
    # One folder for a server and its tools, which later suites have apart.
    folder="$out/${name/promtool/prometheus}-${version%%[+-]*}"
    mkdir -p "$folder"
    dpkg-deb -x "$deb" "$folder"
    echo "newer: $name in $folder"
done
