"""Rows in OpenRLHF's form: run by this Python, with a tokenizer made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copytree

import msgspec
import pytest
from openrlhf_stages import row, write_rows

from rmr1_openrlhf.inside import data, lengths, places, rows
from rmr1_openrlhf.inside.rows import tokenizer_of


def convert(task, length=1024):
    data.run(task.model, task.data, task.output, str(length))
    lines = (task_folder(task) / places.ROWS).read_text().splitlines()
    return [json.loads(line) for line in lines]


def task_folder(task):
    return Path(task.output)


def test_a_row_is_two_lists_of_messages_with_its_provenance(make_task):
    first = convert(make_task())[0]
    source = row(0, words=1)
    assert first == {
        "id": "0",
        "source": "test",
        "label": "B",
        "input": [
            {"role": "system", "content": "judge"},
            {"role": "user", "content": source.messages[1].content},
        ],
        "output": [{"role": "assistant", "content": source.completion}],
    }


def test_rows_that_are_too_long_are_left_out_and_counted(make_task, capsys):
    task = make_task()
    tokenizer = tokenizer_of(task.model)
    found = [len(rows.encode(tokenizer, e).ids) for e in rows.read(Path(task.data))]
    limit = sorted(found)[10]
    kept = convert(task, limit)
    assert len(kept) == sum(length <= limit for length in found) < 24
    assert (
        f"left out: {24 - len(kept)} of 24 examples, over {limit} tokens" in capsys.readouterr().out
    )


def test_no_row_that_fits_is_an_error(make_task):
    with pytest.raises(ValueError, match="every example is longer than max_length, 9 tokens"):
        convert(make_task(), 9)


def test_no_row_at_all_is_an_error(make_task):
    task = make_task()
    Path(task.data).write_bytes(b"")
    with pytest.raises(ValueError, match="holds no examples"):
        convert(task)


def test_a_row_that_is_none_is_named(make_task):
    task = make_task()
    with Path(task.data).open("a") as file:
        file.write('{"id": "x"}\n')
    with pytest.raises(ValueError, match=r"data.jsonl, row 25: KeyError"):
        convert(task)
    assert not (task_folder(task) / places.ROWS).exists()


def test_what_is_converted_is_not_converted_again(make_task):
    task = make_task()
    done = task_folder(task) / places.ROWS
    done.write_text('"here"\n')
    assert convert(task) == ["here"]


def test_the_first_example_is_shown_with_what_is_learned(make_task, capsys):
    convert(make_task())
    shown = capsys.readouterr().out
    assert "<|im_start|>assistant\n⟦" in shown
    assert f"⟦{row(0, words=1).completion}<|im_end|>⟧" in shown


def test_a_template_that_keeps_answers_is_left_as_it_is(make_task):
    task = make_task()
    convert(task)
    assert not (task_folder(task) / places.TEMPLATE).exists()


def test_a_template_that_drops_thoughts_is_replaced_by_one_that_agrees(make_task, thinking_folder):
    task = make_task(model=str(thinking_folder))
    convert(task)
    template = (task_folder(task) / places.TEMPLATE).read_text()
    tokenizer = tokenizer_of(task.model)
    example = next(rows.read(task_folder(task).parent / "data.jsonl"))
    prompt = rows.as_text(tokenizer, example.prompt, asked=True)
    tokenizer.chat_template = template
    assert rows.as_text(tokenizer, example.prompt, asked=True) == prompt
    assert prompt.endswith("<think>\n")
    whole = rows.as_text(tokenizer, example.prompt + example.answer, asked=False)
    assert whole == prompt + row(0, words=1).completion + "<|im_end|>"


def test_one_row_whose_answer_would_be_changed_is_enough_for_a_template_that_agrees(
    make_task, rows, tmp_path, tiny_folder
):
    """A template that drops thoughts and adds nothing agrees with rows that have none."""
    model = copytree(tiny_folder, tmp_path / "forgetful")
    template = model / "chat_template.jinja"
    dropping = template.read_text().replace(
        "message['content']", "message['content'].split('</think>')[-1]"
    )
    assert dropping != template.read_text()
    template.write_text(dropping)
    task = make_task(model=str(model))
    plain = [
        msgspec.structs.replace(r, completion=r.completion.split("</think> ")[-1]) for r in rows
    ]
    write_rows(Path(task.data), [*plain[:5], rows[5]])
    convert(task)
    assert (task_folder(task) / places.TEMPLATE).exists()


def test_rows_are_counted_as_they_will_be_read(make_task, capsys):
    task = make_task()
    lengths.run(task.model, task.data)
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 24
    assert found[0] < found[2]


def test_half_written_checkpoints_are_swept_and_the_whole_one_stays(tmp_path):
    for tag in ("global_step20", "global_step40"):
        (tmp_path / tag).mkdir()
        (tmp_path / tag / "states.pt").write_text(tag)
    (tmp_path / "latest").write_text("global_step20")
    data.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["global_step20", "latest"]


def test_without_a_whole_checkpoint_all_are_swept(tmp_path):
    (tmp_path / "global_step20").mkdir()
    data.sweep(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_tokenizer_without_a_template_is_refused(make_task, tmp_path, tiny_folder):
    bare = copytree(tiny_folder, tmp_path / "bare")
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="has no chat template"):
        convert(make_task(model=str(bare)))


def test_the_rows_are_there_whole_or_not_at_all(make_task, rows):
    task = make_task()
    write_rows(task_folder(task).parent / "data.jsonl", [*rows[:3]])
    assert len(convert(task)) == 3
    assert not list(task_folder(task).glob("*.part"))
