"""Settings come from file, environment and command line, each with its origin, and every mistake is named."""

from datetime import timedelta
from pathlib import Path

import pytest

from opentrail.errors import SettingsError
from opentrail.settings import RecordingMode, Settings, WitnessKind, format_value, read_settings


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(text)
    return path


def test_defaults_need_no_file() -> None:
    settings = read_settings(None, {}).settings

    assert settings.account_id == "123456789012"
    assert settings.region == "us-east-1"
    assert settings.gateway == ("127.0.0.1", 4700)
    assert settings.api == ("127.0.0.1", 4701)
    assert settings.recording is RecordingMode.FAIL_CLOSED
    assert settings.log_file_interval == timedelta(minutes=5)
    assert settings.digest_interval == timedelta(hours=1)


def test_the_command_line_wins_over_a_variable_and_a_variable_over_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, 'region = "eu-west-1"\nlog_file_interval = "1m"\n[upstream]\nurl = "http://127.0.0.1:9000"\n'
    )
    environment = {"OPENTRAIL_LOG_FILE_INTERVAL": "2s", "OPENTRAIL_UPSTREAM_URL": "http://127.0.0.1:9001"}

    report = read_settings(path, environment, {"upstream.url": "moto", "gateway": None})

    assert report.settings.region == "eu-west-1"
    assert report.settings.log_file_interval == timedelta(seconds=2)
    assert report.settings.upstream__url == "moto"
    assert report.origins == {
        "region": str(path),
        "log_file_interval": "OPENTRAIL_LOG_FILE_INTERVAL",
        "upstream.url": "command line",
    }


def test_a_service_may_be_at_the_upstream_itself_wherever_that_is(tmp_path: Path) -> None:
    environment = {"OPENTRAIL_UPSTREAM_URL": "moto", "OPENTRAIL_UPSTREAM_SNS": "upstream"}

    settings = read_settings(write(tmp_path, '[upstream]\nlogs = "http://127.0.0.1:9000"\n'), environment).settings

    assert settings.service_urls("http://127.0.0.1:5000") == {
        "logs": "http://127.0.0.1:9000",
        "sns": "http://127.0.0.1:5000",
    }
    assert read_settings(None, {}, settings.as_options()).settings == settings
    with pytest.raises(SettingsError, match="sns = upstream needs"):
        read_settings(None, {"OPENTRAIL_UPSTREAM_SNS": "upstream"})


def test_a_service_handed_to_the_upstream_is_a_setting_of_its_own(tmp_path: Path) -> None:
    path = write(tmp_path, '[upstream]\nlogs = "http://127.0.0.1:9000"\n')

    report = read_settings(path, {"OPENTRAIL_UPSTREAM_SNS": "http://127.0.0.1:9002"})

    assert report.settings.upstream_services == {"logs": "http://127.0.0.1:9000", "sns": "http://127.0.0.1:9002"}
    assert ("upstream.sns", "http://127.0.0.1:9002", "OPENTRAIL_UPSTREAM_SNS") in [row[:3] for row in report.rows()]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('colour = "red"', "unknown setting colour"),
        ('account_id = "12"', "account_id"),
        ('log_file_interval = "soon"', "log_file_interval"),
        ('digest_interval = "0s"', "digest_interval"),
        ('gateway = "4700"', "gateway"),
        ('recording = "maybe"', "recording"),
        ('[upstream]\nurl = "ftp://x"', "upstream.url"),
        ("region = ", "not a TOML file"),
        ('trusted_proxies = ["nowhere"]', "trusted_proxies"),
        ('journal_max_bytes = "lots"', "journal_max_bytes"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, text: str, named: str) -> None:
    path = write(tmp_path, text)

    with pytest.raises(SettingsError, match=named) as raised:
        read_settings(path, {})

    assert str(path) in str(raised.value)


def test_listening_beyond_loopback_without_a_stated_proxy_is_refused() -> None:
    with pytest.raises(SettingsError, match="trusted_proxies"):
        read_settings(None, {"OPENTRAIL_GATEWAY": "0.0.0.0:4700"})

    behind_proxy = {"OPENTRAIL_GATEWAY": "0.0.0.0:4700", "OPENTRAIL_TRUSTED_PROXIES": "10.0.0.0/8"}
    assert read_settings(None, behind_proxy).settings.trusted_proxies == ("10.0.0.0/8",)


def test_secrets_are_masked_in_the_report() -> None:
    report = read_settings(None, {"OPENTRAIL_UPSTREAM_SECRET_ACCESS_KEY": "hunter2hunter2"})

    assert "hunter2hunter2" not in str(report.rows())


@pytest.mark.parametrize(
    ("duration", "text"),
    [(timedelta(minutes=5), "5m"), (timedelta(seconds=90), "90s"), (timedelta(milliseconds=10), "10ms")],
)
def test_durations_are_shown_as_the_file_spells_them(duration: timedelta, text: str) -> None:
    assert format_value(duration) == text


@pytest.mark.parametrize(
    "variable", ["OPENTRAIL_UPSTREAM_SECRET_ACCES_KEY", "OPENTRAIL_UPSTREAM_PASSWORD", "OPENTRAIL_UPSTREAM_TOKEN"]
)
def test_a_secret_under_a_misspelt_name_is_not_told_to_the_terminal(variable: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(None, {variable: "hunter2hunter2"})

    assert "hunter2hunter2" not in str(raised.value)


@pytest.mark.parametrize("name", ["upstream.url", "upstream.logs", "signer.url", "witness.vault.url"])
def test_a_url_with_a_password_is_refused_and_not_told_to_the_terminal(name: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings(None, {}, {name: "https://user:hush-hush@example.com"})

    assert "without user name and password" in str(refused.value)
    assert "hush-hush" not in str(refused.value)


def test_the_url_of_a_witness_is_masked_for_it_may_hold_a_token() -> None:
    given = {"kind": "webhook", "url": "https://example.com/T0KEN", "secret": "hush"}
    options = {f"witness.vault.{name}": value for name, value in given.items()}

    assert "T0KEN" not in str(read_settings(None, {}, options).rows())


def test_a_secret_of_the_wrong_type_is_not_told_to_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(write(tmp_path, "[upstream]\nsecret_access_key = 1234567890"), {})

    assert "1234567890" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ('log_file_intervall = "1m"', "log_file_interval"),
        ('Region = "eu-west-1"', "region"),
        ('[upstream]\nurll = "http://127.0.0.1:9000"', "upstream.url"),
        ('[upstream]\nacces_key_id = "AKIA"', "upstream.access_key_id"),
        ('[upstream]\ndynamdb = "http://127.0.0.1:9000"', "upstream.dynamodb"),
        ('[upstrem]\nurl = "http://127.0.0.1:9000"', "upstream.url"),
    ],
)
def test_a_misspelt_name_in_the_file_is_told_with_the_one_meant(tmp_path: Path, text: str, meant: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(write(tmp_path, text), {})

    assert str(raised.value).endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("OPENTRAIL_LOG_FILE_INTERVALL", "OPENTRAIL_LOG_FILE_INTERVAL"),
        ("OPENTRAIL_RECORDNG", "OPENTRAIL_RECORDING"),
        ("OPENTRAIL_UPSTREAM_ULR", "OPENTRAIL_UPSTREAM_URL"),
        ("OPENTRAIL_UPSTREAM_DYNAMDB", "OPENTRAIL_UPSTREAM_DYNAMODB"),
        ("OPENTRAIL_HOMME", "OPENTRAIL_HOME"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_the_one_meant(variable: str, meant: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(None, {variable: "hunter2hunter2"})

    assert variable in str(raised.value)
    assert str(raised.value).endswith(f"did you mean {meant}?")
    assert "hunter2hunter2" not in str(raised.value)


def test_a_variable_like_no_setting_is_an_error_that_names_them_all() -> None:
    with pytest.raises(SettingsError, match=r"OPENTRAIL_XYZZY is no setting; known: .*OPENTRAIL_REGION"):
        read_settings(None, {"OPENTRAIL_XYZZY": "1"})


def test_variables_that_kubernetes_makes_of_a_service_of_our_name_are_no_mistake() -> None:
    made = {
        "OPENTRAIL_SERVICE_HOST": "10.0.0.1",
        "OPENTRAIL_SERVICE_PORT_GATEWAY": "4700",
        "OPENTRAIL_PORT": "tcp://10.0.0.1:4700",
        "OPENTRAIL_PORT_4700_TCP_ADDR": "10.0.0.1",
        "OPENTRAIL_API_SERVICE_HOST": "10.0.0.2",
        "OPENTRAIL_UPSTREAM_SERVICE_HOST": "10.0.0.3",
        "OPENTRAIL_UPSTREAM_PORT_9000_TCP": "tcp://10.0.0.3:9000",
    }

    report = read_settings(None, {**made, "OPENTRAIL_HOME": "/home", "PATH": "/bin"})

    assert report.origins == {}
    assert report.settings == read_settings(None, {}).settings


def test_a_service_with_a_hyphen_and_one_of_the_operators_own_can_be_named(tmp_path: Path) -> None:
    path = write(tmp_path, '[upstream]\nledger = "http://127.0.0.1:9000"\n')

    report = read_settings(path, {"OPENTRAIL_UPSTREAM_COGNITO_IDP": "http://127.0.0.1:9002"})

    assert report.settings.upstream_services == {
        "ledger": "http://127.0.0.1:9000",
        "cognito-idp": "http://127.0.0.1:9002",
    }


def test_settings_as_options_make_the_same_settings_again() -> None:
    settings = read_settings(
        None,
        {},
        {
            "regions": "eu-west-1, us-west-2",
            "gateway": "[::1]:0",
            "gateway_processes": "4",
            "upstream.url": "http://127.0.0.1:9000",
            "upstream.trusted": "true",
            "upstream.secret_access_key": 'with "quotes", commas, = and spaces',
            "upstream.kms": "http://127.0.0.1:9001",
            "recording": "fail-open",
            "commit_interval": "2.5s",
            "journal_max_bytes": "7MB",
            "trusted_proxies": "10.0.0.0/8, 127.0.0.1/32",
        },
    ).settings

    assert read_settings(None, {}, settings.as_options()).settings == settings
    assert read_settings(None, {}, Settings().as_options()).settings == Settings()


@pytest.mark.parametrize("value", ["0", "65", "-1", "many", ""])
def test_the_number_of_gateway_processes_is_bounded(value: str) -> None:
    with pytest.raises(SettingsError, match="must be between 1 and 64"):
        read_settings(None, {"OPENTRAIL_GATEWAY_PROCESSES": value})


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[delivery_webhook]\nurl = "https://example.com/hook"', "needs a delivery_webhook.secret"),
        ('[delivery_webhook]\nsecret = "short"', "at least 24 characters"),
        ('[delivery_webhook]\nurl = "https://me:word@example.com/"', "without user name"),
        ('[delivery_webhook]\nurl = "ftp://example.com/"', "must be a URL"),
        ('[delivery_lock]\nmode = "compliance"', "needed together"),
        ("[delivery_lock]\ndays = 30", "needed together"),
        ('[delivery_lock]\nmode = "forever"\ndays = 1', "governance or compliance"),
        ('[delivery_lock]\nmode = "compliance"\ndays = 36501', "up to 36500"),
        ('[upstream]\naddressing = "host"', "auto, path or virtual"),
        ('[upstream]\nca_bundle = "no/such/file.pem"', "path of a file"),
    ],
)
def test_a_delivery_setting_that_cannot_be_meant_is_refused(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        read_settings(write(tmp_path, text), {})

    assert "me:word" not in str(caught.value)


def test_delivery_settings_are_read_and_the_webhooks_secret_is_masked(tmp_path: Path) -> None:
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    text = (
        '[delivery_lock]\nmode = "compliance"\ndays = 30\n'
        f'[delivery_webhook]\nurl = "https://h/x?token=1"\nsecret = "{secret}"'
    )

    report = read_settings(write(tmp_path, text), {})

    assert (report.settings.delivery_lock__mode, report.settings.delivery_lock__days) == ("compliance", 30)
    assert report.settings.delivery_webhook__url == "https://h/x?token=1"
    assert report.settings.delivery_webhook__secret == secret
    assert secret not in str(report.rows())
    assert "token=1" not in str(report.rows())


WITNESSES = """
[witness.vault]
kind = "s3-bucket"
bucket = "vault"
retention = "3650d"
secret_access_key = "hush"

[witness.clock-tower]
kind = "time-stamp"
url = "https://tsa.example/"
certificates = "/etc/tsa.pem"
"""


def test_witnesses_are_named_in_the_file_and_in_variables(tmp_path: Path) -> None:
    environment = {
        "OPENTRAIL_WITNESS_VAULT_ACCESS_KEY_ID": "AKID",
        "OPENTRAIL_WITNESS_FAR_AWAY_KIND": "webhook",
        "OPENTRAIL_WITNESS_FAR_AWAY_URL": "https://far.example/told",
        "OPENTRAIL_WITNESS_FAR_AWAY_SECRET": "hush",
    }

    report = read_settings(write(tmp_path, WITNESSES), environment)

    witnesses = report.settings.witnesses
    assert set(witnesses) == {"vault", "clock-tower", "far-away"}
    assert (witnesses["vault"].bucket, witnesses["vault"].access_key_id) == ("vault", "AKID")
    assert witnesses["vault"].retention == timedelta(days=3650)
    assert witnesses["clock-tower"].kind is WitnessKind.TIME_STAMP
    assert witnesses["far-away"].secret == "hush"
    assert "hush" not in str(report.rows())
    assert ("witness.vault.secret_access_key", "(hidden)") in {row[:2] for row in report.rows()}


def test_settings_with_witnesses_are_made_again_from_options(tmp_path: Path) -> None:
    settings = read_settings(write(tmp_path, WITNESSES), {}).settings

    assert read_settings(None, {}, settings.as_options()).settings == settings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[witness.vault]\nbucket = "vault"', "witness.vault.kind is missing"),
        ('[witness.vault]\nkind = "s3-bucket"', "witness.vault.bucket is missing"),
        ('[witness.vault]\nkind = "time-stamp"\nurl = "http://x"', "witness.vault.certificates is missing"),
        ('[witness.vault]\nkind = "webhook"\nurl = "http://x"', "witness.vault.secret is missing"),
        ('[witness.vault]\nkind = "s3-bucket"\nbucket = "v"\nretention = "36501d"', "36500d at most"),
        ('[witness.vault]\nkind = "notary"', "must be s3-bucket, time-stamp or webhook"),
        ('[witness.vault]\nkind = "webhook"\nurll = "http://x"', "did you mean url"),
        ('[witness.Vault]\nkind = "webhook"', "a witness is named by"),
        ('[witness]\nkind = "webhook"', "a witness is named by"),
        ('witness = "vault"', "unknown setting witness"),
    ],
)
def test_a_witness_that_is_set_wrongly_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        read_settings(write(tmp_path, text), {})


def test_a_variable_that_is_no_setting_of_a_witness_is_an_error() -> None:
    with pytest.raises(SettingsError, match="OPENTRAIL_WITNESS_VAULT_BUKET"):
        read_settings(None, {"OPENTRAIL_WITNESS_VAULT_BUKET": "vault"})


def test_a_pkcs11_signer_needs_a_module_a_token_and_a_pin(tmp_path: Path) -> None:
    module = tmp_path / "module.so"
    module.touch()
    whole = {
        "OPENTRAIL_SIGNER_KIND": "pkcs11",
        "OPENTRAIL_SIGNER_MODULE": str(module),
        "OPENTRAIL_SIGNER_TOKEN": "audit",
        "OPENTRAIL_SIGNER_PIN": "73918264",
        "OPENTRAIL_SIGNER_KEYS": "2026, 2027",
    }

    report = read_settings(None, whole)

    assert report.settings.signer__keys == ("2026", "2027")
    assert "73918264" not in str(report.rows())
    for name in ("MODULE", "TOKEN", "PIN"):
        missing = {variable: value for variable, value in whole.items() if not variable.endswith(name)}
        with pytest.raises(SettingsError, match=f"signer.{name.lower()} is missing"):
            read_settings(None, missing)


@pytest.mark.parametrize("place", ["s3://audit", "s3://audit/lake", "s3://audit/a/b.c/", ""])
def test_place_of_the_lake_is_a_bucket_and_a_prefix(place: str) -> None:
    settings = read_settings(None, {"OPENTRAIL_LAKE_LOCATION": place}).settings

    assert settings.lake__location == place.rstrip("/")


@pytest.mark.parametrize(
    "place",
    ["audit/lake", "s3://", "s3://A/lake", "s3://audit//lake", "s3://audit/../lake", "s3://audit/l\u00e4ke", "/srv"],
)
def test_place_of_the_lake_that_is_none_is_refused(place: str) -> None:
    with pytest.raises(SettingsError, match="such as s3://audit/lake"):
        read_settings(None, {"OPENTRAIL_LAKE_LOCATION": place})


def test_endpoint_of_the_lake_without_a_bucket_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"lake\.location"):
        read_settings(None, {"OPENTRAIL_LAKE_URL": "http://127.0.0.1:9000"})


TARGETS = """
[target.pager]
url = "https://pager.example/hook?token=hush"
secret = "a secret of thirty-two characters"
accounts = ["222222222222"]

[target.react]
command = ["/usr/local/bin/react", "--level", "a, b"]
timeout = "1m"
"""


def test_targets_are_named_in_the_file_and_in_variables(tmp_path: Path) -> None:
    environment = {
        "OPENTRAIL_TARGET_REACT_AT_ONCE": "2",
        "OPENTRAIL_TARGET_OPS_ROOM_CHAT": "slack://T/hush",
        "OPENTRAIL_TARGET_ON_CALL_COMMAND": '["/bin/true", "a b"]',
        "OPENTRAIL_TARGET_PEOPLE_EMAIL": "ann@example.com, bob@example.com",
        "OPENTRAIL_MAIL_SERVER": "127.0.0.1:25",
        "OPENTRAIL_MAIL_SENDER": "trail@example.com",
    }

    report = read_settings(write(tmp_path, TARGETS), environment)

    targets = report.settings.targets
    assert {name: each.kind.name for name, each in targets.items()} == {
        "pager": "WEBHOOK",
        "react": "COMMAND",
        "ops-room": "CHAT",
        "on-call": "COMMAND",
        "people": "EMAIL",
    }
    assert targets["react"].command == ("/usr/local/bin/react", "--level", "a, b")
    assert (targets["react"].timeout, targets["react"].at_once) == (timedelta(minutes=1), 2)
    assert targets["on-call"].command == ("/bin/true", "a b")
    assert targets["people"].email == ("ann@example.com", "bob@example.com")
    rows = {row[0]: row[1:3] for row in report.rows()}
    assert rows["target.react.command"][0] == '["/usr/local/bin/react","--level","a, b"]'
    assert rows["target.ops-room.chat"] == ("(hidden)", "OPENTRAIL_TARGET_OPS_ROOM_CHAT")
    assert "hush" not in str(report.rows())
    assert "thirty-two" not in str(report.rows())
    assert read_settings(None, {}, report.settings.as_options()).settings == report.settings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[target.x]\naccounts = []", "needs one of url, command, chat, email and opentrail"),
        ('[target.x]\nchat = "json://hush"\ncommand = ["/bin/true"]', "only one"),
        ('[target.x]\nopentrail = "https://audit.example.com"', "needs access_key_id and secret_access_key"),
        ('[target.x]\nurl = "https://hush"', "target.x.secret is missing"),
        ('[target.x]\nurl = "ftp://hush"', "must be a URL"),
        ('[target.x]\nchat = "hush"', "must be a URL of Apprise's"),
        ('[target.x]\ncommand = "rm -r hush"', "must be a list of texts"),
        ('[target.x]\ncommand = ["react", "hush"]', "must be a list of texts"),
        ('[target.x]\ncommand = ["/bin/x", 1]', "must be a list of texts"),
        ('[target.x]\ncommand = ["/bin/x"]\ntimeout = "6m"', "between 1s and 5m"),
        ('[target.x]\ncommand = ["/bin/x"]\nat_once = 9', "between 1 and 8"),
        ('[target.x]\nemail = ["nobody"]', "must be addresses"),
        ('[target.x]\nemail = ["ann@example.com"]', "needs mail.server"),
        ('[target.X]\ncommand = ["/bin/x"]', "a target is named by"),
        ('[target.x]\ncomand = ["/bin/x"]', "did you mean command"),
    ],
)
def test_a_target_that_is_set_wrongly_is_named_and_no_secret_is(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence) as caught:
        read_settings(write(tmp_path, text), {})

    assert "hush" not in str(caught.value)
