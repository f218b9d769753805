"""Where a study is kept, and that no password is shown on the way."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest

from tumorscope.core.errors import InvalidConfiguration, MissingDependency, TumorscopeError
from tumorscope.search.options import Metric
from tumorscope.search.storage import locate, opened
from tumorscope.search.study import open_study


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://anna:hunter2@db.example/optuna", "postgresql://anna:***@db.example/optuna"),
        ("postgresql+psycopg://anna:hunter2@db:5432/optuna", "postgresql+psycopg://anna:***@db:5432/optuna"),
        ("MySQL://:hunter2@db.example/optuna", "mysql://:***@db.example/optuna"),
        ("mysql://anna:a@db.example/o?ssl=1&password=hunter2", "mysql://anna:***@db.example/o"),
        ("postgresql://anna@db.example/o?password=hunter2", "postgresql://anna@db.example/o"),
        ("postgresql://db.example/o", "postgresql://db.example/o"),
        # Not percent-encoded, so they can be read in two ways: rather too little than too much.
        ("postgresql://anna:a@hunter2@db.example/o", "postgresql://***"),
        ("postgresql://anna:a?hunter2@db.example/o", "postgresql://***"),
        ("postgresql://db.example:5432/o?password=a@hunter2", "postgresql://***"),
    ],
)
def test_a_password_is_not_shown(tmp_path: Path, url: str, shown: str) -> None:
    location = locate(url, tmp_path)
    assert location.shown == shown
    assert "hunter2" not in repr(location)
    assert location.url == url


@pytest.mark.parametrize(
    "url",
    [
        # A port that nothing listens at; a driver that is not installed.
        "postgresql://anna:hunter2@127.0.0.1:9/optuna",
        "mysql+pymysql://anna:hunter2@127.0.0.1:9/optuna",
        "postgresql+nonesuch://anna:hunter2@127.0.0.1:9/optuna",
        "postgresql://anna:hunter2@127.0.0.1:port/optuna",
    ],
)
def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(TumorscopeError) as caught:
        opened(locate(url, tmp_path))
    assert isinstance(caught.value, InvalidConfiguration | MissingDependency)
    assert "anna:***@127.0.0.1" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in "".join(traceback.format_exception(caught.value, chain=True))


def test_the_journal_is_kept_in_the_folder_of_the_search(tmp_path: Path) -> None:
    location = locate(None, tmp_path / "out")
    assert (location.file, location.url) == (tmp_path / "out" / "study.journal", None)
    assert locate(str(tmp_path / "mine.log"), tmp_path / "out").file == tmp_path / "mine.log"


@pytest.mark.parametrize("storage", [None, "sqlite:///{}/deep/study.db"])
def test_a_study_is_found_again_and_another_one_refused(tmp_path: Path, storage: str | None) -> None:
    text = storage and storage.format(tmp_path)
    identity = {"space": {"epochs": {"choices": [1, 2]}}, "seed": 0}
    for _ in range(2):
        study = open_study(opened(locate(text, tmp_path / "out")), "one", Metric.MACRO_F1, identity)
        assert study.direction.name == "MAXIMIZE"
    with pytest.raises(InvalidConfiguration, match="a study 'one' with another seed; choose another --out"):
        open_study(opened(locate(text, tmp_path / "out")), "one", Metric.MACRO_F1, {**identity, "seed": 1})
    open_study(opened(locate(text, tmp_path / "out")), "two", Metric.LOG_LOSS, {**identity, "seed": 1})


@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("redis://host/0", r"begins with redis://; accepted are a file"),
        ("oracle://u:pw@host/x", r"begins with oracle://"),
        ("sqlite://", r"in memory, which no other worker sees"),
        ("sqlite:///:memory:", r"in memory"),
        ("{folder}", r"cannot be written: it is a folder"),
        ("sqlite:///{folder}", r"cannot be written: it is a folder"),
    ],
)
def test_what_is_no_storage_for_workers_is_refused(tmp_path: Path, storage: str, message: str) -> None:
    with pytest.raises(InvalidConfiguration, match=message):
        locate(storage.format(folder=tmp_path), tmp_path)


@pytest.mark.parametrize("storage", ["{}", "sqlite:///{}"])
def test_a_file_that_is_something_else_is_refused(tmp_path: Path, storage: str) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(b"\xff\xd8 not a study\n" * 100)
    before = file.read_bytes()
    with pytest.raises(InvalidConfiguration, match=r"cannot be used|not the journal of a search"):
        opened(locate(storage.format(file), tmp_path))
    assert file.read_bytes() == before


def test_a_journal_whose_last_line_was_cut_off_goes_on(tmp_path: Path) -> None:
    location = locate(None, tmp_path)
    study = open_study(opened(location), "one", Metric.LOG_LOSS, {})
    study.enqueue_trial({}, user_attrs={"place": 0})
    assert location.file is not None
    whole = location.file.read_bytes()
    location.file.write_bytes(whole + b'{"op_code":4,"worker_i')
    for _ in range(2):
        again = open_study(opened(location), "one", Metric.LOG_LOSS, {})
        again.enqueue_trial({}, user_attrs={"place": 1})
    assert [trial.user_attrs["place"] for trial in again.trials] == [0, 1, 1]
    assert location.file.read_bytes().startswith(whole)
