import pytest

from rmr1_core import Backbone
from rmr1_core.errors import BadOption, UsageError
from rmr1_core.lookup import with_options
from rmr1_vllm import ENGINE
from rmr1_vllm.arguments import engine_arguments, server_flags, weights


def arguments(**options):
    return engine_arguments(with_options("engine", ENGINE, options))


def test_what_is_left_to_vllm_is_not_passed():
    assert arguments() == {
        "generation_config": "vllm",
        "seed": 0,
        "dtype": "auto",
        "tensor_parallel_size": 1,
        "pipeline_parallel_size": 1,
        "data_parallel_size": 1,
        "enable_prefix_caching": True,
        "kv_cache_dtype": "auto",
        "enforce_eager": False,
        "trust_remote_code": False,
    }


def test_options_keep_their_names_and_extra_is_verbatim():
    made = arguments(
        max_num_seqs="8",
        gpu_memory_utilization="0.5",
        extra='{"cpu_offload_gb": 8, "dtype": "half"}',
    )
    assert made["max_num_seqs"] == 8
    assert made["gpu_memory_utilization"] == 0.5
    assert made["cpu_offload_gb"] == 8
    assert made["dtype"] == "half"


def test_extra_does_not_name_the_weights():
    with pytest.raises(UsageError, match="--backbone"):
        arguments(extra={"model": "other"})


def test_a_value_out_of_bounds_is_refused():
    with pytest.raises(BadOption, match="gpu_memory_utilization"):
        arguments(gpu_memory_utilization="2")


def test_a_servers_flags_say_the_same():
    flags = list(
        server_flags(
            {
                "max_model_len": 512,
                "enforce_eager": True,
                "enable_prefix_caching": False,
                "dtype": "float32",
                "hf_overrides": {"a": [1]},
                "quantization": None,
            }
        )
    )
    assert flags == [
        *("--max-model-len", "512", "--enforce-eager", "--no-enable-prefix-caching"),
        *("--dtype", "float32", "--hf-overrides", '{"a": [1]}'),
    ]


def test_a_hub_id_is_passed_on_and_a_backbone_without_weights_is_refused():
    assert weights(Backbone(name="x", model="org/model")) == "org/model"
    with pytest.raises(UsageError, match="starts from nothing"):
        weights(Backbone(name="x", model=""))
