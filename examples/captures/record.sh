#!/usr/bin/env bash
# Record web.pcapng anew: real HTTP and DNS between two programs in two network namespaces.
# Needs root, iproute2, ethtool, tcpdump, and a Python with ndisim's dependencies (PYTHON=...).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/web.pcapng}
python=${PYTHON:-python3}
client=ndisim-rec-client
server=ndisim-rec-server
work=$(mktemp -d)

cleanup() {
    for job in $(jobs -p); do kill "$job" 2>/dev/null || true; done
    ip netns delete "$client" 2>/dev/null || true
    ip netns delete "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

# add_end NAMESPACE ADDRESS: one end of the veth pair, quiet (no IPv6) and without offloads, so that every
# captured frame is one that a wire would carry: at most 1514 bytes, checksums filled in.
add_end() {
    ip netns exec "$1" sysctl -q -w net.ipv6.conf.all.disable_ipv6=1
    ip -n "$1" address add "$2/24" dev eth0
    ip netns exec "$1" ethtool -K eth0 rx off tx off tso off gso off gro off >/dev/null
    ip -n "$1" link set eth0 up
}

ip netns add "$client"
ip netns add "$server"
ip link add eth0 netns "$client" address 02:4e:44:00:00:01 type veth \
    peer name eth0 netns "$server" address 02:4e:44:00:00:02
add_end "$client" 10.77.0.1
add_end "$server" 10.77.0.2

mkfifo "$work/log"
ip netns exec "$client" tcpdump -Z root -i eth0 -s 0 --immediate-mode -U \
    --time-stamp-precision=nano -w "$work/raw.pcap" 2>"$work/log" &
tcpdump=$!
exec 3<"$work/log"
until [[ ${line:-} == *"listening on"* ]]; do read -r -t 10 line <&3; done

coproc SERVER { exec ip netns exec "$server" "$python" "$here/exchange.py" serve; }
server_pid=$SERVER_PID
exec 4>&"${SERVER[1]}"
read -r -t 10 line <&"${SERVER[0]}"
[[ $line == ready ]]
timeout 30 ip netns exec "$client" "$python" "$here/exchange.py" browse
exec 4>&-
eval "exec ${SERVER[1]}>&-"
wait "$server_pid"

kill -TERM "$tcpdump"
wait "$tcpdump"
PYTHONPATH="$here/../.." "$python" "$here/exchange.py" rewrite "$work/raw.pcap" "$out"
