"""A day's orders once their windows are final: waits, reads, writes a table. Copy to Airflow's dags/.

The connection: airflow connections add sluice --conn-uri 'postgres://sluice@127.0.0.1:5455/sluice'
"""

from datetime import datetime

from airflow.providers.common.sql.operators.sql import SQLCheckOperator, SQLExecuteQueryOperator
from airflow.providers.common.sql.sensors.sql import SqlSensor
from airflow.providers.postgres.hooks.postgres import PostgresHook
from airflow.sdk import dag, task

CONNECTION = "sluice"


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False, tags=["sluice"])
def sluice_gold():
    # gold's rows are final: what is there does not change any more
    wait = SqlSensor(
        task_id="hour_is_final",
        conn_id=CONNECTION,
        sql="SELECT count(*) FROM gold.real_time_metrics WHERE window_end >= '2026-01-01T01:00:00Z'",
        poke_interval=5,
        timeout=300,
    )
    summary = SQLExecuteQueryOperator(
        task_id="make_summary",
        conn_id=CONNECTION,
        sql=[
            "DROP TABLE IF EXISTS public.summary",
            "CREATE TABLE public.summary (event_type TEXT, events BIGINT)",
            """INSERT INTO public.summary SELECT event_type, sum(event_count) FROM gold.real_time_metrics
               WHERE window_start < %(before)s GROUP BY event_type""",
        ],
        parameters={"before": "2026-01-01T01:00:00Z"},
    )
    check = SQLCheckOperator(task_id="nothing_is_lost", conn_id=CONNECTION, sql="SELECT sum(events) = 60000 FROM public.summary")

    @task
    def most_of():
        hook = PostgresHook(postgres_conn_id=CONNECTION)
        frame = hook.get_records("SELECT event_type, events FROM public.summary ORDER BY events DESC LIMIT %s", parameters=(3,))
        hook.insert_rows("public.summary", [("all", 60000)], target_fields=["event_type", "events"])
        return [list(row) for row in frame]

    wait >> summary >> check >> most_of()


sluice_gold()
