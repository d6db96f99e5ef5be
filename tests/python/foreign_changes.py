"""Appends rows to a table of `id` and `value` with delta-rs and deletes the first, in commits of its own. Argument: the folder."""

import sys

import pyarrow
from deltalake import DeltaTable, write_deltalake

from answering import answer

rows = pyarrow.table({"id": pyarrow.array([3, 4], pyarrow.int64()), "value": pyarrow.array([3.0, 4.0])})
write_deltalake(sys.argv[1], rows, mode="append")
table = DeltaTable(sys.argv[1])
table.delete("id = 1")
answer({"version": DeltaTable(sys.argv[1]).version()})
