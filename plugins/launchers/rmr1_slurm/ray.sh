# A Ray cluster of this job alone. It ends with the job, by the processes started here: `ray stop`
# would end those of others on these nodes as well. Its token keeps others out (Ray 2.52 and newer).
RAY_AUTH_TOKEN=$("$python" -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_TOKEN RAY_AUTH_MODE=token
ray_options="--block --disable-usage-stats --num-cpus=$SLURM_CPUS_ON_NODE --num-gpus=$gpus"
ray_options="$ray_options --log-color=false --min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0"
export ray_options ray_folder ray_logs SLURM_CPU_BIND=none

others="--export=ALL --overlap --relative=1 --nodes=$((nodes - 1)) --ntasks=$((nodes - 1))"
others="$others --ntasks-per-node=1" # all nodes but this one

end_ray() { # the processes that were started, each of which ends its own
    [ -z "$*" ] || kill "$@" 2>/dev/null || true
    for _ in $(seq 100); do
        [ -n "$*" ] && kill -0 "$@" 2>/dev/null || return 0
        sleep 0.2
    done
    kill -KILL "$@" 2>/dev/null || true
}

leave() {
    status=$?
    trap - EXIT TERM INT
    end_ray $ray_workers $ray_head
    [ "$status" = 0 ] || cp -rL "$ray_folder/session_latest/logs" "$ray_logs" 2>/dev/null || true
    rm -rf "$ray_folder"
    timeout 30 srun $others bash -c '[ "$0" = 0 ] ||
        cp -rL "$ray_folder/session_latest/logs" "$ray_logs-$SLURMD_NODENAME"
        rm -rf "$ray_folder"' "$status" >/dev/null 2>&1 || true
    exit "$status"
}
trap leave EXIT
trap 'exit 143' TERM INT

nodes_joined() { # waits for so many
    "$python" - "$1" "$join_seconds" "$ray_head" <<'END'
import os
import sys
import time

import ray

nodes, seconds, head = map(int, sys.argv[1:])
deadline = time.monotonic() + seconds
joined, problem = 0, ""
while joined < nodes:
    if time.monotonic() > deadline:
        sys.exit(f"TimeoutError: {joined} of {nodes} nodes joined Ray in {seconds} s {problem}")
    try:
        os.kill(head, 0)
    except ProcessLookupError:
        sys.exit("Ray did not start on the first node")
    try:
        if not ray.is_initialized():
            ray.init(os.environ["RAY_ADDRESS"], logging_level="CRITICAL", log_to_driver=False)
        joined = sum(node["Alive"] for node in ray.nodes())
    except (ConnectionError, RuntimeError) as error:
        problem = f"({error})"
    time.sleep(1)
END
}

# Ray gives its agent 15 s to start, which the first look at a network file system can exceed
: >"$ray_log"
rm -rf "/tmp/rmr1-$SLURM_JOB_ID-"* # of an attempt that was killed before Slurm queued it again
ray_folder=$(mktemp -d "/tmp/rmr1-$SLURM_JOB_ID-XXXXXX") # short: paths of sockets have 107 letters
find_ports
for attempt in 1 2 3; do
    export RAY_ADDRESS=$head_address:$head_port
    ray start --head --node-ip-address="$head_address" --port="$head_port" \
        --ray-client-server-port="$spare_port" --temp-dir="$ray_folder" \
        --include-dashboard=false $ray_options >>"$ray_log" 2>&1 &
    ray_head=$!
    nodes_joined 1 && break
    end_ray $ray_head
    [ "$attempt" != 3 ] || { tail -n 40 "$ray_log"; exit 1; }
    find_ports
done
srun $others bash -c 'trap "rm -rf \"$ray_folder\"" EXIT
    trap "exit 143" TERM INT
    for attempt in 1 2 3; do
        ray start --address="$RAY_ADDRESS" $ray_options && break; sleep 1; done' \
    >>"$ray_log" 2>&1 &
ray_workers=$!
nodes_joined "$nodes" || { tail -n 40 "$ray_log"; exit 1; }
