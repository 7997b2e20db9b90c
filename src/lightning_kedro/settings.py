"""Settings of the Kedro project: https://docs.kedro.org/en/stable/configure/configuration_basics/."""

from lightning_kedro.hooks import (
    CheckParameters,
    LockData,
    LogSteps,
    SummariseIngestion,
    SummariseReport,
)

HOOKS = (
    CheckParameters(),
    LockData(),
    LogSteps(),
    SummariseIngestion(),
    SummariseReport(),
)
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # One nested value in conf/local/parameters.yml changes that value, not the whole branch.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
}
