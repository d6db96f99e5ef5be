"""Puts another certificate in the place of a running server's, and looks at the Flight SQL door before and after; one line of JSON.

Arguments: URL, user, password, the authority of the old certificate and of the new, then files: the server's certificate and
key, and the certificate and key to put there.
"""

import shutil
import sys
import time

import adbc_driver_flightsql.dbapi as flight_sql

from answering import answer

url, user, password, old, new, cert, key, next_cert, next_key = sys.argv[1:10]


def connect(authority):
    with open(authority, encoding="utf-8") as file:
        roots = file.read()
    options = {"username": user, "password": password, "adbc.flight.sql.client_option.tls_root_certs": roots}
    return flight_sql.connect(url, db_kwargs=options, autocommit=True)


def one(connection):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return cursor.fetchone()[0]


def tried(authority):
    """Whether a new client that trusts this authority gets in."""
    try:
        with connect(authority) as connection:
            one(connection)
        return "ok"
    except Exception as error:
        # Anything but the certificate would be another reason.
        return "refused" if "certificate" in str(error) else str(error)


found = {"old before": tried(old), "new before": tried(new)}
held = connect(old)
one(held)
shutil.copyfile(next_key, key)
shutil.copyfile(next_cert, cert)
until = time.monotonic() + 20
while tried(new) != "ok" and time.monotonic() < until:
    time.sleep(0.2)
found["renewed"] = time.monotonic() < until
# A connection from before goes on.
found["held"] = one(held)
found["old after"] = tried(old)
found["new after"] = tried(new)
answer(found)
