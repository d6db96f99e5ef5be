"""Runs the DAG of a file once, in this process. run_dag.py FILE: needs AIRFLOW_HOME and the connection in the environment. One line of JSON."""

import json
import sys
from importlib.metadata import version

from airflow.dag_processing.dagbag import DagBag

bag = DagBag(sys.argv[1])
assert not bag.import_errors, bag.import_errors
(dag,) = bag.dags.values()
run = dag.test()
states = {task.task_id: str(task.state) for task in run.get_task_instances()}
answer = {
    "version": version("apache-airflow") + ", postgres provider " + version("apache-airflow-providers-postgres"),
    "state": str(run.state),
    "tasks": states,
    "returned": run.get_task_instance("most_of").xcom_pull(task_ids="most_of"),
}
print("\n" + json.dumps(answer, default=str))
