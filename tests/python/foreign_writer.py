"""Somebody else at work on a table: delta-rs, through its Python package. Arguments: what to do, the table's folder."""

import sys

from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError
from deltalake.table import TableFeatures

from answering import answer


def main():
    what, folder = sys.argv[1:3]
    # The table is being written: whoever depends on what it read may be too late, and tries again.
    for attempt in range(50):
        try:
            act(what, folder)
            break
        except CommitFailedError:
            if attempt == 49:
                raise
    answer({"version": DeltaTable(folder).version()})


def act(what, folder):
    table = DeltaTable(folder)
    if what == "append":
        data = table.to_pyarrow_table().slice(0, 1)
        write_deltalake(folder, data, mode="append")
    elif what == "delete":
        first = min(table.to_pyarrow_table()["n"].to_pylist())
        table.delete(f"n = {first}")
    elif what == "compact":
        table.optimize.compact()
    elif what == "restore":
        table.restore(table.version() - 1)
    elif what == "property":
        table.alter.set_table_properties({"delta.appendOnly": "false"})
    elif what == "column":
        from deltalake.schema import Field, PrimitiveType

        table.alter.add_columns([Field("extra", PrimitiveType("string"))])
    elif what == "protocol":
        table.alter.add_feature(TableFeatures.DeletionVectors, allow_protocol_versions_increase=True)
    else:
        raise SystemExit(f"what is {what}?")


main()
