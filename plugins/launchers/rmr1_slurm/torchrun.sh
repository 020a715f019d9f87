meet() { # says where the processes find each other: a port that is free now; torchrun reads PET_*
    find_ports
    export PET_NNODES=$nodes PET_MASTER_ADDR=$head_address PET_MASTER_PORT=$head_port
    export MASTER_ADDR=$head_address MASTER_PORT=$head_port
}
