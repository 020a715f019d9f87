# the trainer starts its own Ray, away from that of others on this node
unset RAY_ADDRESS
rm -rf "/tmp/rmr1-$SLURM_JOB_ID-"* # of an attempt that was killed before Slurm queued it again
RAY_TMPDIR=$(mktemp -d "/tmp/rmr1-$SLURM_JOB_ID-XXXXXX") # short: paths of sockets have 107 letters
export RAY_TMPDIR
trap 'rm -rf "$RAY_TMPDIR"' EXIT
