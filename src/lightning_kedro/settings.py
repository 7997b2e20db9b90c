"""Settings of the Kedro project: https://docs.kedro.org/en/stable/configure/configuration_basics/."""

from lightning_kedro.hooks import CheckParameters, LockData, SummariseIngestion, SummariseReport

HOOKS = (CheckParameters(), LockData(), SummariseIngestion(), SummariseReport())
CONFIG_LOADER_ARGS = {"base_env": "base", "default_run_env": "local"}
