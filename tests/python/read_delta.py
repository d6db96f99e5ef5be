"""Reads a table with delta-rs: rows, schema, partition columns, statistics, as one line of JSON.

Arguments: the folder, or the URL and the store's options as JSON; with these, the texts of the log's entries are printed too.
"""

import json
import sys

from deltalake import DeltaTable

from answering import answer

options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else None
table = DeltaTable(sys.argv[1], storage_options=options)
rows = table.to_pyarrow_table().to_pylist()
actions = table.get_add_actions(flatten=True)
if hasattr(actions, "to_pydict"):
    files = actions.to_pydict()
else:  # newer versions hand out an Arrow capsule instead
    import pyarrow

    files = pyarrow.table(actions).to_pydict()
log = {}
if options:
    from deltalake.fs import DeltaStorageHandler
    import pyarrow.fs

    store = pyarrow.fs.PyFileSystem(DeltaStorageHandler(sys.argv[1], options))
    for found in store.get_file_info(pyarrow.fs.FileSelector("_delta_log")):
        if found.base_name.endswith(".json") and found.base_name[:-5].isdigit():
            with store.open_input_file(found.path) as file:
                log[str(int(found.base_name[:-5]))] = file.read().decode()
answer(
    {
        "version": table.version(),
        "partition_columns": table.metadata().partition_columns,
        "schema": json.loads(table.schema().to_json()),
        "features": table.protocol().reader_features,
        "rows": rows,
        "log": log,
        "files": {name: values for name, values in files.items()},
    }
)
