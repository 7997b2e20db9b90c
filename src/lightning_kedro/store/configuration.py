"""Errors of the user's own configuration: AWS profiles, credentials, endpoints, proxies.

They come before, or instead of, any answer of an archive: asking once more is of no use, and the
sentence must say which file or variable to mend. botocore raises one class for each; what is not
about the transport of a request is one of them.
"""

import ssl
from collections.abc import Iterator
from typing import Any, Final

from lightning_kedro.exceptions import printable

_CREDENTIALS: Final = (
    "complete the key and secret (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, ~/.aws/credentials "
    "or conf/local/credentials.yml), or set `anon: true` in conf/local/credentials.yml"
)
_CONFIG_FILES: Final = (
    "mend ~/.aws/config and ~/.aws/credentials (or the files that AWS_CONFIG_FILE and "
    "AWS_SHARED_CREDENTIALS_FILE name), or move them away"
)
_ENDPOINT: Final = (
    "AWS_ENDPOINT_URL, or endpoint_url in ~/.aws/config, must be a whole address such as "
    "http://127.0.0.1:9000; unset it for the real archive"
)
_REGION: Final = (
    "set AWS_DEFAULT_REGION, or region in ~/.aws/config, to one such as us-east-1, or unset it"
)
_PROXY: Final = "HTTPS_PROXY and HTTP_PROXY must be like http://host:port; mend or unset them"
_CERTIFICATES: Final = (
    "AWS_CA_BUNDLE, or ca_bundle in ~/.aws/config, must be a file of PEM certificates that are "
    "trusted, that of your proxy included; mend or unset it"
)
_FS_ARGS: Final = (
    "check fs_args of glm_archive in the catalog, conf/local/credentials.yml and the variables "
    "AWS_..."
)

_REMEDIES: Final = {
    "ProfileNotFound": "unset AWS_PROFILE, or set it to a profile that is in ~/.aws/config",
    "ConfigParseError": _CONFIG_FILES,
    "ConfigNotFound": _CONFIG_FILES,
    "InvalidConfigError": _CONFIG_FILES,
    "InfiniteLoopConfigError": _CONFIG_FILES,
    "PartialCredentialsError": _CREDENTIALS,
    "NoCredentialsError": _CREDENTIALS,
    "CredentialRetrievalError": _CREDENTIALS,
    "UnknownCredentialError": _CREDENTIALS,
    "TokenRetrievalError": "sign in again with `aws sso login`",
    "SSOTokenLoadError": "sign in again with `aws sso login`",
    "UnauthorizedSSOTokenError": "sign in again with `aws sso login`",
    "EndpointResolutionError": _ENDPOINT,
    "InvalidRegionError": _REGION,
    "NoRegionError": _REGION,
    "InvalidProxiesConfigError": _PROXY,
    "ParamValidationError": "give the parameter archive a bucket such as s3://noaa-goes{number}",
}
"""What to do, by the name of botocore's class; for the others ``fs_args`` and variables."""


def explain_client(error: BaseException) -> str:
    """What keeps the client of S3 from being made, and what to do; nothing was asked yet."""
    if isinstance(error, ValueError) and "nvalid endpoint" in str(error):
        return _say(error, _ENDPOINT)
    return _say(error, _REMEDIES.get(type(error).__name__, _FS_ARGS))


def explain_configuration(error: BaseException) -> str | None:
    """What in the user's configuration keeps a request from being made, and what to do.

    Args:
        error: What a file system raised.

    Returns:
        A sentence, or None if this is no error of configuration.
    """
    from aiohttp import ClientSSLError, InvalidURL
    from botocore.exceptions import BotoCoreError, SSLError

    for inner in _unwrap(error):
        if isinstance(inner, ClientSSLError | SSLError | ssl.SSLCertVerificationError):
            return _say(inner, _CERTIFICATES) if _is_about_certificates(inner) else None
        if isinstance(inner, InvalidURL):
            return _say(inner, "give the parameter archive a whole address")
        if isinstance(inner, BotoCoreError) and not isinstance(inner, _transport_errors()):
            return _say(inner, _REMEDIES.get(type(inner).__name__, _FS_ARGS))
    if _is_unhandled(error):
        return _explain_unhandled(error)
    return None


def _unwrap(error: BaseException) -> Iterator[BaseException]:
    """An error and the one that it hides: botocore keeps what its HTTP client raised."""
    yield error
    inner = getattr(error, "kwargs", {}).get("error")
    if isinstance(inner, BaseException):
        yield inner


def _is_unhandled(error: BaseException) -> bool:
    """Whether the HTTP client failed before it sent anything, in a way that botocore knows not."""
    from botocore.exceptions import HTTPClientError

    return type(error) is HTTPClientError


def _explain_unhandled(error: Any) -> str | None:  # noqa: ANN401
    """Name the file of certificates or the proxy, which are read when the first request is made."""
    inner = error.kwargs.get("error")
    if isinstance(inner, ssl.SSLError | FileNotFoundError | PermissionError | IsADirectoryError):
        return _say(inner, _CERTIFICATES)
    if isinstance(inner, TypeError | ValueError | AttributeError):
        return _say(inner, f"{_PROXY}; or {_FS_ARGS}")
    return None


def _is_about_certificates(error: BaseException) -> bool:
    """Whether the server's certificate is not trusted; other failures of TLS may pass."""
    from aiohttp import ClientConnectorCertificateError

    own = ClientConnectorCertificateError | ssl.SSLCertVerificationError
    return isinstance(error, own) or "CERTIFICATE_VERIFY_FAILED" in str(error)


def _transport_errors() -> tuple[type[BaseException], ...]:
    """What botocore raises when a request was under way, or could have been."""
    from botocore import exceptions

    return (
        exceptions.HTTPClientError,
        exceptions.ConnectionError,
        exceptions.IncompleteReadError,
        exceptions.ChecksumError,
        exceptions.FlexibleChecksumError,
        exceptions.CapacityNotAvailableError,
        exceptions.MetadataRetrievalError,
        exceptions.UnseekableStreamError,
        exceptions.EventStreamError,
    )


def _say(error: BaseException, remedy: str) -> str:
    """One sentence: what is wrong, and what to do."""
    what = printable(str(error) or type(error).__name__, 200).rstrip(".")
    return f"Your own configuration keeps the archive from being asked ({what}): {remedy}."
