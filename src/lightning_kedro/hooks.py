"""What happens around a run: its parameters are checked once, before anything else."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from kedro.framework.hooks import hook_impl

from lightning_kedro.parameters import check_parameters

if TYPE_CHECKING:
    from kedro.framework.context import KedroContext


class CheckParameters:
    """Puts the checked parameters in the place of the configured ones."""

    @hook_impl
    def after_context_created(self, context: "KedroContext") -> None:
        """Check every parameter and say what ``now`` means, once for the whole run.

        Raises:
            ParameterError: If a name does not exist or a value cannot be used.
        """
        configured = context.config_loader["parameters"]
        now = datetime.now(UTC).replace(microsecond=0)
        context.config_loader["parameters"] = check_parameters(configured, now=now)
