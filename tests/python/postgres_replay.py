"""Asks a server the statements of files and compares its answers with those written there.

postgres_replay.py PORT FILE...: prints a list of {"file", "captured", "name", "verdict", "sql", "expected", "actual", "message", "unlike", "known"}; a
verdict lists all that differs. "unlike" is what an error says otherwise, by field, as [PostgreSQL's, the server's], and "known" whether PostgreSQL's is
written down. postgres_replay.py PORT --write FILE...: writes the server's answers into the files instead.
"""
import json
import os
import sys

from postgres_wire import Server, kept, read, unlike, verdict, write

port, *files = sys.argv[1:]
writing = files[0] == "--write"
server = Server(port)
report = []
for path in files[writing:]:
    head, blocks = read(path)
    captured = "captured" in path
    for block in blocks:
        answer, message = server.run(block)
        if writing:
            block.expected = kept(answer)
            continue
        otherwise, known = unlike(block.expected, answer)
        report.append({
            "file": os.path.basename(path), "captured": captured, "name": block.name, "sql": block.sql, "expected": block.expected,
            "actual": kept(answer), "message": message, "unlike": otherwise, "known": known,
            # clients sort where they care; people care that ORDER BY does
            "verdict": verdict(block.expected, answer, "" if captured else block.sql),
        })
    if writing:
        write(path, head, blocks)
print(json.dumps(report))
