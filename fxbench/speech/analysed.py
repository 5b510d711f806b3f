"""The faces of a video as `fxbench analyze` wrote them down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fxbench.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa


def table_of(path: Path, video: Path) -> pa.Table:
    """The rows of a video.

    Args:
        path: a Parquet file of `fxbench analyze`, or the folder that it wrote.
        video: the rows of the file of that name are taken.

    Raises:
        DataError: there is no Parquet file, it can't be read, or it has no row of the video.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    files = _files(path) if path.is_dir() else [path]
    found: list[Any] = []
    for file in files:
        try:
            if "file" not in pq.read_schema(file).names:
                continue
            table = pq.read_table(file)
        except (OSError, pa.ArrowInvalid) as error:
            reason = str(error).splitlines()[0]
            raise DataError(
                f"{file} can't be read as a Parquet file: {reason}. Expected is what "
                "`fxbench analyze` writes."
            ) from error
        names = [Path(str(name)).name == video.name for name in table["file"].to_pylist()]
        if any(names):
            found.append(table.filter(pc.field("file").isin(_of(table, names))))
    if not found:
        raise DataError(
            f"{path} holds no faces of {video.name}: give what `fxbench analyze {video.name}` "
            "wrote, its folder or its Parquet file."
        )
    if len(found) > 1:
        raise DataError(
            f"{path} holds {len(found)} tables with faces of {video.name}: give one of the files."
        )
    return found[0]


def _files(folder: Path) -> list[Path]:
    """The Parquet files below a folder, without those that a command keeps for itself."""
    return [
        file
        for file in sorted(folder.rglob("*.parquet"))
        if not any(part.startswith(".") for part in file.relative_to(folder).parts)
    ]


def _of(table: pa.Table, names: list[bool]) -> Any:
    """The values of the column `file` that mean the video."""
    import pyarrow as pa

    values = {name for name, right in zip(table["file"].to_pylist(), names, strict=True) if right}
    return pa.array(sorted(values), pa.string())
