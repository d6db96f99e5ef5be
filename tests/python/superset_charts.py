"""Superset on Sluice, by its REST API in this process: what clients/superset brought, a chart at several time grains, SQL Lab, a database
added by hand with its schemas, tables and a dataset. superset_charts.py PORT: one line of JSON. Superset is set up by the caller."""

import json
import sys
from importlib.metadata import version

from superset.app import create_app

port = sys.argv[1]
client = create_app().test_client()


class Refused(Exception):
    """What Superset says instead of an answer."""


def call(method, path, body=None):
    response = client.open("/api/v1/" + path, method=method, json=body, headers=headers)
    answer = response.get_json()
    if response.status_code >= 300:
        raise Refused(path, response.status_code, answer)
    return answer


headers = {}
token = call("POST", "security/login", {"username": "admin", "password": "admin", "provider": "db"})["access_token"]
headers = {"Authorization": "Bearer " + token}

(chart,) = call("GET", "chart/")["result"]
dataset = chart["datasource_id"]
assert chart["slice_name"] == "Events by type", chart
columns = {c["column_name"]: c for c in call("GET", f"dataset/{dataset}")["result"]["columns"]}
assert columns["window_start"]["is_dttm"] and "event_type" in columns, columns


def chart_data(dataset, metrics, grain, **more):
    axis = {"columnType": "BASE_AXIS", "sqlExpression": "window_start", "label": "window_start", "expressionType": "SQL", "timeGrain": grain}
    query = {"columns": [axis], "metrics": metrics, "orderby": [], "row_limit": 10000, "extras": {"time_grain_sqla": grain}, **more}
    body = {"datasource": {"id": dataset, "type": "table"}, "queries": [query], "result_format": "json", "result_type": "full", "force": True}
    (result,) = call("POST", "chart/data", body)["result"]
    assert not result["error"], result["error"]
    return result["data"]


grains = {}
for grain in ("PT1S", "PT1M", "PT5M", "PT15M", "PT1H", "P1D", "P1W", "P1M", "P3M", "P1Y"):
    rows = chart_data(dataset, ["events", "mean_value"], grain)
    grains[grain] = [len(rows), sum(row["events"] for row in rows)]
kinds = [{"col": "event_type", "op": "IN", "val": ["page_view", "click"]}]
filtered = sum(row["events"] for row in chart_data(dataset, ["events"], "PT1H", filters=kinds))
day = {"time_range": "2026-01-01T00:00:00 : 2026-01-02T00:00:00", "granularity": "window_start"}
ranged = sum(row["events"] for row in chart_data(dataset, ["events"], "PT1H", **day))
values = call("GET", f"datasource/table/{dataset}/column/event_type/values/")["result"]

uri = f"postgresql+psycopg2://sluice@127.0.0.1:{port}/sluice"
call("POST", "database/test_connection/", {"database_name": "By hand", "sqlalchemy_uri": uri})
database = call("POST", "database/", {"database_name": "By hand", "sqlalchemy_uri": uri, "expose_in_sqllab": True})["id"]
schemas = call("GET", f"database/{database}/schemas/")["result"]
tables = [table["value"] for table in call("GET", f"database/{database}/tables/?q=(schema_name:gold)")["result"]]
described = call("GET", f"database/{database}/table_metadata/?name=orders&schema=gold")
orders = call("POST", "dataset/", {"database": database, "schema": "gold", "table_name": "orders"})["id"]
types = {c["column_name"]: c["type"] for c in call("GET", f"dataset/{orders}")["result"]["columns"]}


def lab(relation):
    """SQL Lab with the schema gold chosen."""
    sql = f"SELECT customer, amount FROM {relation} WHERE amount > 1 ORDER BY id"
    body = {"database_id": database, "schema": "gold", "runAsync": False, "select_as_cta": False, "queryLimit": 100, "sql": sql}
    return [[row["customer"], float(row["amount"])] for row in call("POST", "sqllab/execute/", body)["data"]]


qualified, bare = lab("gold.orders"), lab("orders")

print(json.dumps({
    "version": version("apache-superset"), "grains": grains, "filtered": filtered, "ranged": ranged, "values": sorted(values),
    "schemas": schemas, "tables": sorted(tables), "columns": [c["name"] for c in described["columns"]], "types": types,
    "qualified": qualified, "bare": bare,
}, default=str))
