"""What postgres_wire.py says that answers differ in: a list of [expected, actual, ...] as JSON in, for each two verdicts out, the second by what is kept of `expected`."""

import json
import sys

from postgres_wire import kept, verdict

QUESTION = "SELECT a FROM t ORDER BY a"
print(json.dumps([[verdict(text, actual, QUESTION) for text in (expected, kept(expected))] for expected, actual, *_ in json.loads(sys.argv[1])]))
