"""Settings of the Kedro project: https://docs.kedro.org/en/stable/configure/configuration_basics/."""

from lightning_kedro.hooks import (
    CheckInputs,
    CheckParameters,
    LockData,
    LogSteps,
    MakeWhatIsAskedFor,
    SummariseIngestion,
    SummariseReport,
)
from lightning_kedro.progress import ShowProgress
from lightning_kedro.project import (
    BASE,
    DEFAULT,
    FolderConfigLoader,
    FolderSession,
    list_idle_plugins,
)

HOOKS = (
    CheckParameters(),
    CheckInputs(),
    LockData(),
    MakeWhatIsAskedFor(),
    LogSteps(),
    ShowProgress(),
    SummariseIngestion(),
    SummariseReport(),
)
DISABLE_HOOKS_FOR_PLUGINS = list_idle_plugins()
SESSION_CLASS = FolderSession
CONFIG_LOADER_CLASS = FolderConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": BASE,
    "default_run_env": DEFAULT,
    # One nested value in conf/local/parameters.yml changes that value, not the whole branch.
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
}
