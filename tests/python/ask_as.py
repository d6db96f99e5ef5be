"""Runs statements as a user at both doors, with psycopg and with ADBC; for each "ok" or the SQLSTATE it was refused with.

Arguments: port of the Postgres door, URL of the Flight SQL door, user, password (empty for none), statements as a JSON list,
then options of the two clients as JSON: {"postgres": {...}, "flight": {...}}. One line of JSON.
"""

import json
import re
import sys

import adbc_driver_flightsql.dbapi as flight_sql
import psycopg

from answering import answer

port, flight, user, password, statements = sys.argv[1:6]
options = json.loads(sys.argv[6]) if len(sys.argv) > 6 else {}


def state_of(error):
    found = re.search(r"SQLSTATE:\s+(\w{5})", str(error))
    return found.group(1) if found else f"{type(error).__name__}: {error}"


def postgres():
    parameters = {"host": "127.0.0.1", "port": port, "user": user, "dbname": "sluice", "connect_timeout": 10}
    if password:
        parameters["password"] = password
    parameters.update(options.get("postgres", {}))
    try:
        connection = psycopg.connect(**parameters, autocommit=True)
    except psycopg.OperationalError as error:
        return {"login": str(error).strip().splitlines()[0]}
    outcomes = []
    with connection:
        for statement in json.loads(statements):
            try:
                connection.execute(statement)
                outcomes.append("ok")
            except psycopg.Error as error:
                outcomes.append(error.sqlstate)
    return {"login": "ok", "outcomes": outcomes}


def adbc():
    parameters = {"username": user, "password": password} if password or user else {}
    parameters.update(options.get("flight", {}))
    try:
        connection = flight_sql.connect(flight, db_kwargs=parameters, autocommit=True)
    except Exception as error:
        return {"login": state_of(error)}
    outcomes = []
    for statement in json.loads(statements):
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                cursor.fetchall()
            outcomes.append("ok")
        except Exception as error:
            outcomes.append(state_of(error))
    return {"login": "ok", "outcomes": outcomes}


answer({"psycopg": postgres(), "adbc": adbc()})
