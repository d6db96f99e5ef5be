"""Guesses a password in the calls of one connection, without a handshake: six wrong ones, then the right one; one line of JSON.

Arguments: URL, user, right password.
"""

import base64
import re
import sys
import time

from pyarrow import flight

from answering import answer

url, user, right = sys.argv[1:4]
client = flight.FlightClient(url)


def outcome(password):
    """What a call with this password is told."""
    shown = base64.b64encode(f"{user}:{password}".encode())
    options = flight.FlightCallOptions(headers=[(b"authorization", b"Basic " + shown)])
    try:
        list(client.do_action(flight.Action("GetSessionOptions", b""), options))
        return "ok"
    except flight.FlightError as error:
        found = re.search(r"SQLSTATE:\s+(\w{5})", str(error))
        return found.group(1) if found else str(error)


guesses = [outcome("wrong") for _ in range(6)]
began = time.monotonic()
last = outcome(right)
answer({"guesses": guesses, "right": last, "seconds": time.monotonic() - began})
