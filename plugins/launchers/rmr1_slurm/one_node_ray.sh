# the trainer starts its own Ray, away from that of others on this node
unset RAY_ADDRESS
export RAY_TMPDIR=$ray_folder
mkdir -m 700 "$ray_folder"
trap 'rm -rf "$ray_folder"' EXIT
