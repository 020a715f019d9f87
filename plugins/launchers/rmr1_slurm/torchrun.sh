# torchrun reads PET_*, others MASTER_*
export PET_NNODES=$nodes PET_MASTER_ADDR=$head_address PET_MASTER_PORT=$head_port
export MASTER_ADDR=$head_address MASTER_PORT=$head_port
