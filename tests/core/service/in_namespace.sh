#!/bin/sh
# Runs a program beside a real `systemd --user` that can touch nothing of this machine: in namespaces of its own for
# mounts, processes and cgroups, with empty file systems over /tmp, /run and /var, no units and generators but ours, and
# a cgroup of its own as the root of all that it sees. Usage: in_namespace.sh PROGRAM ARGUMENT...
set -eu
if [ "${1:-}" != --inside ]; then
    unified=/sys/fs/cgroup
    [ -e "$unified/cgroup.procs" ] || unified=/sys/fs/cgroup/unified
    own=$unified/rae-auto-test-$$
    mkdir "$own"
    trap 'sleep 0.2; find "$own" -depth -type d -exec rmdir {} + 2>/dev/null || :' EXIT
    timeout -k 5 180 sh -c 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"' sh "$own" \
        unshare --mount --pid --cgroup --fork --kill-child --mount-proc --propagation private sh "$0" --inside "$@"
    exit
fi
shift
for directory in /tmp /run /var; do mount -t tmpfs tmpfs "$directory"; done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
# Nothing of this machine must be in sight; else stop before systemd starts.
[ "$(cat /proc/self/cgroup | sed -n 's/^0:://p')" = / ]
[ -z "$(ls -A /tmp)$(ls -A /var)$(ls -A /run | grep -vx mount)" ]
# systemd --user wants to be on a machine that systemd runs, and writes to its console.
: > /run/systemd.log
mount --bind /run/systemd.log /dev/console
mkdir -p /run/systemd/system /run/user/0 /run/home/.config/systemd/user /run/none
chmod 0700 /run/user/0
for target in default basic shutdown; do
    printf '[Unit]\nDescription=Ours alone\nDefaultDependencies=no\n' > "/run/home/.config/systemd/user/$target.target"
done
export HOME=/run/home XDG_RUNTIME_DIR=/run/user/0 SYSTEMD_UNIT_PATH=/run/home/.config/systemd/user
export SYSTEMD_GENERATOR_PATH=/run/none SYSTEMD_ENVIRONMENT_GENERATOR_PATH=/run/none SYSTEMD_LOG_TARGET=console
unset XDG_CONFIG_HOME XDG_STATE_HOME RAE_STATE_DIR RAE_CONFIG DBUS_SESSION_BUS_ADDRESS NOTIFY_SOCKET
cd "$HOME"
/lib/systemd/systemd --user --unit=default.target >> /run/systemd.log 2>&1 &
i=0
until systemctl --user is-active --quiet default.target 2>/dev/null; do
    i=$((i + 1))
    if [ $i -gt 50 ]; then cat /run/systemd.log; exit 77; fi
    sleep 0.1
done
"$@" || { code=$?; cat /run/systemd.log; exit $code; }
