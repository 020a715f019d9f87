everywhere() { # a command on all nodes at once; one that fails gets the time to have said why
    SLURM_CPU_BIND=none srun --export=ALL --overlap --nodes="$nodes" --ntasks="$nodes" --ntasks-per-node=1 \
        --kill-on-bad-exit=1 bash -c 'export PET_NODE_RANK=$SLURM_NODEID
            "$@" || { code=$?; sleep 3; exit "$code"; }' everywhere "$@"
}

find_ports() { # the first node's address as the second one reaches it, and two free ports
    second=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 2p)
    peer=$(scontrol show node --oneliner "$second" | sed -n 's/.* NodeAddr=\([^ ]*\).*/\1/p')
    read -r head_address head_port spare_port < <("$python" - "${peer:-$second}" <<'END'
import socket
import sys

found = socket.getaddrinfo(sys.argv[1], 9, type=socket.SOCK_DGRAM)
kind, _, _, _, peer = min(found, key=lambda one: one[0] != socket.AF_INET)  # IPv6 if it has to be
with socket.socket(kind, socket.SOCK_DGRAM) as towards:
    towards.connect(peer)
    address = towards.getsockname()[0]
with socket.socket(kind) as one, socket.socket(kind) as other:
    one.bind(("", 0))
    other.bind(("", 0))
    print(address, one.getsockname()[1], other.getsockname()[1])
END
    )
    [ -n "$spare_port" ] || { echo "the first node finds no way to $second"; exit 1; }
}
