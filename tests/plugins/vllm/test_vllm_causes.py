from rmr1_vllm.causes import attention, doing, true_error

NESTED = """\
(EngineCore_DP0 pid=12) ERROR 11-20 18:21:36 [core.py:99] Traceback (most recent call last):
(EngineCore_DP0 pid=12) ERROR 11-20 18:21:36 [core.py:99]   File "x.py", line 3, in step
(EngineCore_DP0 pid=12) ERROR 11-20 18:21:36 [core.py:99] torch.OutOfMemoryError: no memory.
(Worker pid=9) INFO 11-20 18:21:37 [multiproc.py:1] shutting down
Traceback (most recent call last):
  File "worker.py", line 1, in <module>
vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace above.
"""


def test_the_first_error_is_the_true_one(tmp_path):
    log = tmp_path / "log"
    log.write_text(NESTED)
    assert true_error(log, 1) == "torch.OutOfMemoryError: no memory."


def test_a_startup_failure_is_found_under_what_follows_from_it(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "(EngineCore pid=1) ERROR 11-20 18:21:36 [core.py:9] ValueError: no room for the cache\n"
        "RuntimeError: Engine core initialization failed. See root cause above. Failed: {}\n"
    )
    assert true_error(log, 1) == "ValueError: no room for the cache"


def test_only_what_this_start_wrote_counts(tmp_path):
    log = tmp_path / "log"
    log.write_text("ValueError: of an earlier start\n")
    since = log.stat().st_size
    with log.open("a") as file:
        file.write("KeyError: of this one\n")
    assert true_error(log, 1, since=since) == "KeyError: of this one"


def test_a_consequence_is_better_than_nothing(tmp_path):
    log = tmp_path / "log"
    log.write_text("EngineDeadError: it is dead\n")
    assert true_error(log, 1) == "EngineDeadError: it is dead"


def test_what_was_killed_did_not_fail_by_itself(tmp_path):
    log = tmp_path / "log"
    log.write_text("ValueError: handled long ago\n")
    assert "SIGKILL" in true_error(log, -9)


def test_the_last_thing_in_the_log_is_shown_without_its_prefix(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "(Main pid=1) INFO 11-20 18:21:36 [a.py:9] Loading weights\nshards: 0%\rshards: 50%\r"
    )
    assert doing(log) == "shards: 50%"
    log.write_text("(Main pid=1) INFO 11-20 18:21:36 [a.py:9] Loading weights\n")
    assert doing(log) == "Loading weights"


def test_the_attention_that_another_process_chose_is_found(tmp_path):
    log = tmp_path / "log"
    log.write_text(
        "(EngineCore pid=1) INFO 11-20 18:21:36 [cuda.py:507] "
        "Using FLASH_ATTN attention backend out of potential backends: ['FLASH_ATTN'].\n"
    )
    assert attention(log) == {"attention": "FLASH_ATTN"}
    assert attention(log, since=log.stat().st_size) == {}
