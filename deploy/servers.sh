#!/usr/bin/env bash
# Gets the programs that the tests and the demo run beside the service, from apt, when they are not there yet.
#
#   servers.sh test   everything the test suite needs; exits 1 with a list when something can't be had
#   servers.sh demo   Prometheus and Alertmanager; says in one line what can't be had, and exits 0
#
# They are wanted as programs, not as services: nothing is started, now or at the next boot.
set -uo pipefail

mode="${1:-test}"
case "$mode" in
    # Each line: the commands that will do, the Debian package, what it is for.
    test) wanted="prometheus|prometheus|scrapes the exporter and runs the rules
promtool|prometheus|checks the generated rules
alertmanager prometheus-alertmanager|prometheus-alertmanager|delivers the notifications
amtool|prometheus-alertmanager|checks the generated configuration
redis-server|redis-server|the cache of the integration tests
chromium chromium-browser google-chrome|chromium|looks at the status page as a person would
node|nodejs|checks the dashboards against Grafana's types
npm|npm|installs those types" ;;
    demo) wanted="prometheus|prometheus|scrapes the exporter and runs the rules
alertmanager prometheus-alertmanager|prometheus-alertmanager|delivers the notifications" ;;
    *) printf 'servers: unknown set "%s"; one of: test, demo\n' "$mode" >&2; exit 2 ;;
esac

say() { printf 'servers: %s\n' "$*" >&2; }

found() {
    local command
    for command in $1; do command -v "$command" >/dev/null 2>&1 && return; done
    return 1
}

missing_lines() {
    local commands package purpose
    while IFS='|' read -r commands package purpose; do
        found "$commands" || printf '%s|%s|%s\n' "${commands%% *}" "$package" "$purpose"
    done <<<"$wanted"
}

one_line() { tr '\n' ' ' | sed 's/ $//'; }
missing_packages() { missing_lines | cut -d'|' -f2 | sort -u | one_line; }

if [ "$(id -u)" = 0 ]; then root=()
elif sudo -n true 2>/dev/null; then root=(sudo -n)
else root=(false)
fi

policy=/usr/sbin/policy-rc.d
our_policy=""

# Debian's packages start what they install unless this file says no. One that is there already is its owner's.
forbid_starting() {
    [ -e "$policy" ] && return
    our_policy=yes
    printf '#!/bin/sh\nexit 101\n' | "${root[@]}" tee "$policy" >/dev/null
    "${root[@]}" chmod 755 "$policy"
}

allow_starting() {
    [ -n "$our_policy" ] && "${root[@]}" rm -f "$policy"
    our_policy=""
}

# $1: the packages just installed. Only services among these are touched.
leave_no_service() {
    local service
    for service in $1; do
        [ -e "/etc/init.d/$service" ] || [ -e "/lib/systemd/system/$service.service" ] || continue
        if [ -d /run/systemd/system ]; then "${root[@]}" systemctl --quiet disable --now "$service"
        else
            "${root[@]}" invoke-rc.d "$service" stop
            "${root[@]}" update-rc.d "$service" disable
        fi >/dev/null 2>&1
    done
}

packages="$(missing_packages)"
if [ -n "$packages" ] && [ "${root[*]-}" != false ] && command -v apt-get >/dev/null 2>&1; then
    say "installing from apt: $packages"
    trap allow_starting EXIT
    trap 'exit 130' INT TERM
    forbid_starting
    apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300)
    log="$(mktemp)"
    "${apt[@]}" update >"$log" 2>&1
    # One by one, so that a package this machine can't have does not keep the others away.
    for package in $packages; do
        if "${apt[@]}" install -y --no-install-recommends "$package" >"$log" 2>&1; then leave_no_service "$package"
        else say "apt could not install $package: $(grep '^E:' "$log" | tail -n 1)"
        fi
    done
    rm -f "$log"
    allow_starting
fi

left="$(missing_lines)"
[ -z "$left" ] && exit 0
if [ "$mode" = demo ]; then
    say "going on without: $(cut -d'|' -f1 <<<"$left" | one_line) (Debian: apt-get install $(missing_packages))"
    exit 0
fi
say "please install these (package names are Debian's) and try again:"
while IFS='|' read -r command package purpose; do
    printf '  %-14s package %-24s %s\n' "$command" "$package" "$purpose" >&2
done <<<"$left"
exit 1
