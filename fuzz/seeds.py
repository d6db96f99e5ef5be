"""What the fuzzer begins with: every statement of tests/postgres, a file each, in fuzz/corpus/sql; messages of the protocol with them in fuzz/corpus/frontend.

A file that is there stays, so that what the fuzzer found is kept from run to run.
"""

import hashlib
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent


def statements():
    for path in sorted(ROOT.glob("tests/postgres/*/*.sql")):
        for block in re.split(r"^====\n", path.read_text(encoding="utf-8"), flags=re.M):
            asked = f"\n{block}".partition("\n----\n")[0]
            text = "\n".join(line for line in asked.split("\n") if not line.startswith("--")).strip()
            if text:
                yield text


def messages(text):
    """Query and Parse with it, as the target takes them: its type, then the bytes of its body."""
    body = text.encode() + b"\0"
    yield b"Q" + body
    yield b"P\0" + body + b"\0\0"


def put(folder, data):
    path = folder / hashlib.sha256(data).hexdigest()[:16]
    if not path.exists():
        path.write_bytes(data)


sql, frontend = (ROOT / "fuzz" / "corpus" / name for name in ("sql", "frontend"))
for folder in (sql, frontend):
    folder.mkdir(parents=True, exist_ok=True)
for statement in statements():
    put(sql, statement.encode())
    for message in messages(statement):
        put(frontend, message)
