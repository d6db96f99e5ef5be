"""A libpq that knows protocol 3.2, by each protocol it may be told: what was agreed on, and how a long query ends that it cancels.

Argument: port. One line of JSON.
"""

import sys
import threading

import psycopg

from answering import answer

LONG = "SELECT count(*) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b"
# A cancel that is not heard must not hold the test up; a timeout has other words.
PARAMETERS = {
    "host": "127.0.0.1",
    "port": sys.argv[1],
    "user": "sluice",
    "dbname": "sluice",
    "connect_timeout": 10,
    "options": "-c statement_timeout=60s",
}


def cancelled(connection, by):
    """What a long query is told that is cancelled while it runs."""
    timer = threading.Timer(0.7, by)
    timer.start()
    try:
        connection.execute(LONG)
        told = "rows"
    except psycopg.Error as error:
        told = f"{error.sqlstate}: {error.diag.message_primary}"
    timer.join()
    return told


found = {"libpq": psycopg.pq.version() // 10000}
for protocol in ("3.0", "3.2", "latest"):
    with psycopg.connect(**PARAMETERS, max_protocol_version=protocol, autocommit=True) as connection:
        found[protocol] = {
            "agreed": connection.info.full_protocol_version,
            # Libpq's call of today, and the one of old.
            "cancelled": [cancelled(connection, by) for by in (connection.cancel_safe, connection.cancel)],
            "after": connection.execute("SELECT 1").fetchone()[0],
        }
answer(found)
