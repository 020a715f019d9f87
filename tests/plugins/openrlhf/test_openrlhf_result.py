"""The trained model in its place, whole, as what it was before training."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import pytest

from rmr1_openrlhf.inside import places, result


@pytest.fixture
def trained(tmp_path: Path, tiny_folder: Path) -> Path:
    """An output folder in which OpenRLHF has ended, with the traces that it leaves in a model."""
    folder = tmp_path / "sft"
    left = copytree(tiny_folder, folder / places.TRAINED)
    config = json.loads((left / "config.json").read_text())
    (left / "config.json").write_text(json.dumps({**config, "use_cache": False}))
    (left / "chat_template.jinja").write_text("another")
    (left / "model.safetensors").chmod(0o600)
    (folder / places.FINISHED).write_text("{}")
    for name in (places.RESUME, places.CACHE):
        (folder / name).mkdir()
    return folder


def test_the_result_has_the_settings_and_the_template_of_the_model(trained, tiny_folder):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    result.run(str(tiny_folder), str(trained))
    checkpoint = trained / places.CHECKPOINT
    model = AutoModelForCausalLM.from_pretrained(checkpoint)
    assert model.config.use_cache
    before = AutoTokenizer.from_pretrained(tiny_folder)
    after = AutoTokenizer.from_pretrained(checkpoint)
    assert after.chat_template == before.chat_template
    assert after.get_vocab() == before.get_vocab()
    assert (checkpoint / "model.safetensors").stat().st_mode & 0o044


def test_what_served_to_resume_is_removed_at_the_end(trained, tiny_folder):
    result.run(str(tiny_folder), str(trained))
    assert sorted(path.name for path in trained.iterdir()) == [places.CHECKPOINT, places.FINISHED]


def test_a_result_that_is_not_whole_is_refused(trained, tiny_folder):
    (trained / places.FINISHED).unlink()
    with pytest.raises(RuntimeError, match="trained is not whole; train again"):
        result.run(str(tiny_folder), str(trained))
    assert not (trained / places.CHECKPOINT).exists()


def test_torn_weights_are_refused(trained, tiny_folder):
    weights = trained / places.TRAINED / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(RuntimeError, match="weights that cannot be read"):
        result.run(str(tiny_folder), str(trained))


def test_a_missing_part_of_the_weights_is_refused(trained, tiny_folder):
    index = trained / places.TRAINED / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": "model-00001-of-00002.safetensors"}}))
    with pytest.raises(RuntimeError, match="weights that cannot be read"):
        result.run(str(tiny_folder), str(trained))


def test_no_weights_are_refused(trained, tiny_folder):
    (trained / places.TRAINED / "model.safetensors").unlink()
    with pytest.raises(RuntimeError, match="left no model"):
        result.run(str(tiny_folder), str(trained))


def test_what_is_in_its_place_stays_there(trained, tiny_folder):
    result.run(str(tiny_folder), str(trained))
    before = (trained / places.CHECKPOINT).stat().st_ino
    result.run(str(tiny_folder), str(trained))
    assert (trained / places.CHECKPOINT).stat().st_ino == before
