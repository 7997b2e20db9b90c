"""The user's own AWS configuration: what is wrong is named at once, and what to do about it."""

import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
from tests.store.test_storage import HOUR

from lightning_kedro.exceptions import ArchiveError
from lightning_kedro.store import storage as storage_module
from lightning_kedro.store.configuration import explain_configuration
from lightning_kedro.store.errors import explain_failure
from lightning_kedro.store.retry import ConfigurationError, RefusedError
from lightning_kedro.store.storage import Storage

NOWHERE = "http://127.0.0.1:9"
TIMEOUTS = {"connect_timeout": 1, "read_timeout": 1}


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration but the test's own, and no network."""
    for variable in ("AWS_PROFILE", "AWS_ENDPOINT_URL_S3", "AWS_CA_BUNDLE", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", NOWHERE)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    (tmp_path / "broken").write_text("[default\nregion=")
    (tmp_path / "partial").write_text("[default]\naws_access_key_id=AKIA\n")


CASES: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "profile": (
        {"AWS_PROFILE": "nobody"},
        {},
        r"profile \(nobody\) could not be found\): unset AWS_PROFILE, or set it to a profile that",
    ),
    "config file": (
        {"AWS_CONFIG_FILE": "{tmp}/broken"},
        {},
        r"Unable to parse config file: .*broken\): mend ~/\.aws/config",
    ),
    "credentials file": (
        {"AWS_SHARED_CREDENTIALS_FILE": "{tmp}/broken"},
        {},
        r"Unable to parse config file: .*broken\): mend ~/\.aws/config and ~/\.aws/credentials",
    ),
    "key without secret": (
        {"AWS_ACCESS_KEY_ID": "AKIA"},
        {"anon": False},
        r"missing: AWS_SECRET_ACCESS_KEY\): complete the key and secret",
    ),
    "key without secret in a file": (
        {"AWS_SHARED_CREDENTIALS_FILE": "{tmp}/partial"},
        {"anon": False},
        r"missing: aws_secret_access_key\): complete the key and secret",
    ),
    "key without secret in the catalog": (
        {},
        {"anon": False, "key": "AKIA"},
        r"missing: aws_secret_access_key\): complete .* conf/local/credentials.yml",
    ),
    "no credentials": ({}, {"anon": False}, r"Unable to locate credentials\): .*`anon: true`"),
    "endpoint without scheme": (
        {"AWS_ENDPOINT_URL": "localhost:9000"},
        {},
        r"Invalid endpoint: localhost:9000\): AWS_ENDPOINT_URL, or endpoint_url .* whole address",
    ),
    "endpoint with a space": (
        {"AWS_ENDPOINT_URL": "http://bad host"},
        {},
        r"Invalid endpoint: http://bad host\): AWS_ENDPOINT_URL",
    ),
    "endpoint of another kind": (
        {"AWS_ENDPOINT_URL": "ftp://127.0.0.1:9"},
        {},
        r"not a valid URI\): AWS_ENDPOINT_URL",
    ),
    "endpoint with no such port": (
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:99999"},
        {},
        r"not a valid URI\): AWS_ENDPOINT_URL",
    ),
    "region": ({"AWS_DEFAULT_REGION": "us east"}, {}, r"'us east' .*\): set AWS_DEFAULT_REGION"),
    "proxy": ({"HTTP_PROXY": "http://[bad"}, {}, r"proxies_config\): HTTPS_PROXY and HTTP_PROXY"),
    "proxy's port": ({"HTTP_PROXY": "http://proxy:port"}, {}, r"HTTPS_PROXY and HTTP_PROXY must"),
    "proxy without host": ({"HTTP_PROXY": "http://"}, {}, r"HTTPS_PROXY and HTTP_PROXY must be"),
    "certificates": (
        {"AWS_CA_BUNDLE": "/nowhere.pem", "AWS_ENDPOINT_URL": "https://127.0.0.1:9"},
        {},
        r"No such file or directory\): AWS_CA_BUNDLE, or ca_bundle in ~/\.aws/config, must be",
    ),
    "certificates that are none": (
        {"AWS_CA_BUNDLE": "{tmp}/broken", "AWS_ENDPOINT_URL": "https://127.0.0.1:9"},
        {},
        r"no certificate.*\): AWS_CA_BUNDLE",
    ),
    "retry mode": ({"AWS_RETRY_MODE": "never"}, {}, r'"never" must be one of.*\): check fs_args'),
    "defaults mode": ({"AWS_DEFAULTS_MODE": "odd"}, {}, r"invalid defaults mode: odd.*variables"),
    "option": ({}, {"foo": 1}, r"unexpected keyword argument 'foo'\): check fs_args of glm_arch"),
    "option of the client": ({}, {"config_kwargs": {"foo": 1}}, r"argument 'foo'\): check fs_args"),
    "options that clash": ({}, {"key": "a", "username": "b"}, r"not both.*\): check fs_args"),
    "signature": (
        {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        {"anon": False, "config_kwargs": {"signature_version": "odd"}},
        r"Unknown Signature Version: odd\): check fs_args",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_error_of_the_users_configuration_is_named_at_once(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    variables, options, message = CASES[case]
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value.replace("{tmp}", str(tmp_path)))
    given = {"anon": True, **options}
    given["config_kwargs"] = {**TIMEOUTS, **given.get("config_kwargs", {})}
    attempts: list[str] = []
    explain = storage_module.Storage.explain_errors

    def count(self: Storage, place: str, **how: bool) -> Any:
        attempts.append(place)
        return explain(self, place, **how)

    monkeypatch.setattr(Storage, "explain_errors", count)
    began = time.monotonic()
    with (
        caplog.at_level(logging.ERROR, "lightning_kedro"),
        pytest.raises(ConfigurationError, match=message) as caught,
    ):
        Storage("s3://noaa-goes{number}", given).list_hour(HOUR)
    assert str(caught.value).startswith("Your own configuration keeps the archive from being asked")
    assert "\n" not in str(caught.value)
    assert len(attempts) <= 1
    assert time.monotonic() - began < 20
    assert not caplog.records, "the run says it at its end"


def test_bucket_name_that_is_none_is_named() -> None:
    storage = Storage("s3://not a bucket", {"anon": True})
    with pytest.raises(ConfigurationError, match=r"Invalid bucket name.*: give the parameter arch"):
        storage.list_hour(HOUR)


def test_configuration_is_named_when_a_granule_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    storage = Storage("s3://noaa-goes{number}", {"anon": True})
    with pytest.raises(ConfigurationError, match="unset AWS_PROFILE"):
        list(storage.read_all([]))


HTTP = botocore.exceptions.HTTPClientError


@pytest.mark.parametrize(
    "make",
    [
        lambda: HTTP(error=OSError("reset")),
        lambda: botocore.exceptions.EndpointConnectionError(endpoint_url="http://a"),
        lambda: botocore.exceptions.ProxyConnectionError(proxy_url="http://a"),
        lambda: botocore.exceptions.ReadTimeoutError(endpoint_url="http://a"),
        lambda: botocore.exceptions.SSLError(endpoint_url="http://a", error=ssl.SSLEOFError(8)),
        lambda: botocore.exceptions.IncompleteReadError(actual_bytes=1, expected_bytes=2),
        lambda: botocore.exceptions.ClientError({"Error": {"Code": "SlowDown"}}, "GetObject"),
        lambda: OSError("reset"),
    ],
)
def test_trouble_on_the_way_is_no_error_of_configuration(make: Callable[[], Exception]) -> None:
    error = make()
    assert explain_configuration(error) is None
    explained = explain_failure(error, "a", "s3://b", is_local=False, to_fetch=True)
    assert type(explained) is ArchiveError, "worth another attempt"


def test_certificate_that_is_not_trusted_is_one() -> None:
    error = ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED: self-signed certificate")
    for raised in (error, botocore.exceptions.SSLError(endpoint_url="https://a", error=error)):
        assert "that of your proxy included" in str(explain_configuration(raised))


@pytest.mark.parametrize(
    ("status", "stands"), [(400, True), (404, True), (429, False), (503, False)]
)
def test_answer_of_a_web_server_is_asked_for_again_if_it_may_change(
    status: int, stands: bool
) -> None:
    error = OSError("answer")
    error.status = status  # type: ignore[attr-defined]
    explained = explain_failure(error, "a", "http://b", is_local=False, to_fetch=True)
    assert isinstance(explained, RefusedError) is stands
