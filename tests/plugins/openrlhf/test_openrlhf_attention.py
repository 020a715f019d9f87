"""Which attention trains, where there is no GPU."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from rmr1_openrlhf.inside import attention


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "flash_attn").mkdir(parents=True)
    (folder / "flash_attn" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "flash_attn", raising=False)


def test_without_a_gpu_it_is_pytorchs_own(tmp_path, monkeypatch):
    assert attention.choose("") == "sdpa"
    install(tmp_path, monkeypatch)
    assert attention.choose("") == "sdpa"


def test_what_is_named_is_taken():
    assert attention.choose("eager") == "eager"


def test_flash_attention_by_name_is_refused_where_it_cannot_run(tmp_path, monkeypatch):
    with pytest.raises(RuntimeError, match="flash-attn is not installed; leave it at 'auto'"):
        attention.choose("flash_attention_2")
    install(tmp_path, monkeypatch)
    with pytest.raises(RuntimeError, match="there is no GPU; leave it at 'auto'"):
        attention.choose("flash_attention_2")


def test_our_stand_in_is_no_flash_attention(monkeypatch):
    monkeypatch.syspath_prepend(str(attention.STAND_INS))
    assert (attention.STAND_INS / "flash_attn" / "bert_padding.py").exists()
    with pytest.raises(RuntimeError, match="flash-attn is not installed"):
        attention.choose("flash_attention_2")
