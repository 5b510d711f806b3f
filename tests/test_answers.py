"""What a run's cells answered: files of their own, and damaged ones in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fxbench import answers
from fxbench.errors import SchemaError


def answered(dataset: str = "one", split: str = "test", images: int = 3) -> answers.Answered:
    rows = np.arange(images)
    ids = tuple(map(str, rows))
    tops = {"cell": rows}
    return answers.Answered(dataset, split, "majority", rows, ids, rows, rows, {}, tops)


def test_no_two_sources_share_a_file(tmp_path: Path) -> None:
    sources = {("mini", "clips-test"), ("mini-clips", "test"), ("Mini", "clips-test"), ("a.b", "t")}
    sources.add(("a_b", "t"))
    for dataset, split in sorted(sources):
        answers.write(tmp_path, answered(dataset, split))
    assert {(one.dataset, one.split) for one in answers.read(tmp_path)} == sources
    names = {path.name.lower() for path in (tmp_path / "answers").iterdir()}
    assert len(names) == len(sources)


def test_whatever_a_damaged_file_lacks_is_said_in_a_sentence(tmp_path: Path) -> None:
    answers.write(tmp_path, answered())
    (path,) = (tmp_path / "answers").iterdir()
    table = pq.read_table(path)
    about = table.schema.metadata
    for broken in (
        *(
            table.drop([name]).replace_schema_metadata(about)
            for name in ("row", "id", "label", "cluster")
        ),
        *(
            table.replace_schema_metadata({b"fxbench": text})
            for text in (b"[]", b'{"schema": 1}', b'{"schema": "x"}', b'{"schema": null}')
        ),
        table.set_column(0, "row", [["x"] * 3]).replace_schema_metadata(about),
        table.replace_schema_metadata(None),
    ):
        pq.write_table(broken, path)
        with pytest.raises(SchemaError, match="is damaged"):
            answers.read(tmp_path)
