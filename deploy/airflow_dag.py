"""The job every hour by Airflow 3: one task a run. Copy this file to Airflow's folder of DAGs.

The task is a process of its own, with a Python of its own, so that Airflow need not have what
lightning_kedro needs. It works on the data interval of its run: `airflow backfill create --dag-id
lightning --from-date 2024-07-14 --to-date 2024-07-15` runs the hours of a day. One run at a time
writes to the database. A run that could not have a granule fails with its sentence in the log, is
tried again, and fills in.
"""

import os
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow.timetables.interval import CronDataIntervalTimetable

FOLDER = os.environ.get("LIGHTNING_KEDRO_FOLDER", "/srv/lightning")
PROGRAM = os.environ.get("LIGHTNING_KEDRO_PROGRAM", f"{FOLDER}/venv/bin/lightning-kedro")
PARAMS = os.environ.get("LIGHTNING_KEDRO_PARAMS", "satellite=east")
TIME = "%Y-%m-%dT%H:%M"

with DAG(
    dag_id="lightning",
    schedule=CronDataIntervalTimetable("0 * * * *", timezone="UTC"),
    start_date=datetime(2018, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=2),
        "retry_exponential_backoff": True,
        "execution_timeout": timedelta(minutes=50),
    },
    tags=["lightning_kedro"],
) as dag:
    BashOperator(
        task_id="run",
        cwd=FOLDER,
        bash_command=(
            f'"{PROGRAM}" run --params "{PARAMS},'
            f"window.start={{{{ data_interval_start.strftime('{TIME}') }}}},"
            f"window.end={{{{ data_interval_end.strftime('{TIME}') }}}}\""
        ),
    )
