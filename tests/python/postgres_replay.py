"""Asks a server the statements of files and compares its answers with those written there.

postgres_replay.py PORT FILE...: prints a list of {"file", "name", "verdict", "sql", "expected", "actual", "message"}; a verdict is "" or what
differs. postgres_replay.py PORT --write FILE...: writes the server's answers into the files instead.
"""
import json
import os
import sys

from postgres_wire import Server, kept, read, verdict, write

port, *files = sys.argv[1:]
writing = files[0] == "--write"
server = Server(port)
report = []
for path in files[writing:]:
    head, blocks = read(path)
    # clients sort where they care; people care that ORDER BY does
    ordered = "captured" not in path
    for block in blocks:
        answer, message = server.run(block)
        if writing:
            block.expected = kept(answer)
            continue
        report.append({
            "file": os.path.basename(path), "name": block.name, "sql": block.sql, "expected": block.expected, "actual": kept(answer),
            "message": message, "verdict": verdict(block.expected, answer, block.sql if ordered else ""),
        })
    if writing:
        write(path, head, blocks)
print(json.dumps(report))
