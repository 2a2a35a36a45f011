"""Secrets in texts and documents: what is hidden, what is left alone, and how long it takes."""

import time

import orjson
import pytest

from opentrail.event.redaction import HIDDEN, hide_entries, hide_in_text, is_secret_name

SECRET = "s3cr3t-V4lue"


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "DB_PASSWORD",
        "MasterUserPassword",
        "spring.datasource.password",
        "apiKey",
        "x-api-key",
        "GITHUB_TOKEN",
        "aws_secret_access_key",
        "clientSecret",
        "private-key",
        "AWS_SESSION_TOKEN",
    ],
)
def test_keys_that_name_secrets_are_known_whatever_their_spelling(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *[
            "NextToken",
            "ClientRequestToken",
            "clientToken",
            "SecretId",
            "secretArn",
            "PasswordPolicy",
            "keyId",
            "ec2:MetadataHttpTokens",
        ],
        "",
        "x" * 300 + "password",
    ],
)
def test_keys_that_only_sound_alike_are_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "text",
    [
        '{"db": {"password": "s3cr3t-V4lue", "host": "h"}}',
        '[{"name": "DB_PASSWORD", "value": "s3cr3t-V4lue"}]',
        '{"ParameterKey": "ApiKey", "ParameterValue": "s3cr3t-V4lue"}',
        '{"inner": "{\\"token\\": \\"s3cr3t-V4lue\\"}"}',
        "%7B%22password%22%3A%22s3cr3t-V4lue%22%7D",
        '{"password": "s3cr3t-V4lue", cut off',
        "{'password': 's3cr3t-V4lue'}",
        'text before {"password": "s3cr3t-V4lue"} and after',
        "Resources:\n  Db:\n    Type: AWS::RDS::DBInstance\n    MasterUserPassword: s3cr3t-V4lue\n",
        "#!/bin/sh\nexport DB_PASSWORD=s3cr3t-V4lue\nrun\n",
        "postgres://ann:s3cr3t-V4lue@db.example:5432/app",
        "https://b.s3.amazonaws.com/k?X-Amz-Date=1&X-Amz-Security-Token=s3cr3t-V4lue&X-Amz-Signature=s3cr3t-V4lue",
        "https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIA&Signature=s3cr3t-V4lue&Expires=1",
        "The Canonical String should have been 'GET\n/\nhost:h\nx-amz-security-token:s3cr3t-V4lue\n\nhost'",
    ],
)
def test_a_secret_in_a_text_is_hidden(text: str) -> None:
    hidden = hide_in_text(text)

    assert SECRET not in hidden
    assert HIDDEN in hidden


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "arn:aws:iam::123456789012:role/secret-keeper",
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}',
        '{ "spacing":  "is kept",\n "and": [1, 2.50] }',
        "%7B%22Version%22%3A%222012-10-17%22%7D",
        "Type: AWS::SecretsManager::Secret\nProperties:\n  Name: a\n",
        "https://example.com/a:b@c",
        "{not json",
        "[" * 5000,
    ],
)
def test_a_text_without_a_secret_is_kept_byte_for_byte(text: str) -> None:
    assert hide_in_text(text) == text


def test_the_rest_of_a_document_is_kept() -> None:
    hidden = orjson.loads(hide_in_text('{"db": {"password": "x", "host": "h", "ports": [1, null]}}'))

    assert hidden == {"db": {"password": HIDDEN, "host": "h", "ports": [1, None]}}


def test_documents_nested_beyond_the_bounds_are_hidden_whole() -> None:
    text = '{"password": "s3cr3t-V4lue"}'
    for _ in range(8):
        text = orjson.dumps({"inner": text}).decode()
    deep: object = SECRET
    for _ in range(200):
        deep = {"a": deep}

    assert SECRET not in hide_in_text(text)
    assert SECRET not in orjson.dumps(hide_entries(deep)).decode()


@pytest.mark.parametrize(
    "piece",
    [
        '{"a',
        '"a":"',
        "'a': '",
        "a=b\n",
        "  - x: y\n",
        "://a:b",
        "x-amz-signature=",
        '\\"',
        "%7B",
        "[{",
        '"password":',
        "\n  ",
    ],
)
def test_hostile_texts_take_time_in_proportion_to_their_length(piece: str) -> None:
    started = time.process_time()
    hide_in_text("{" + piece * (300_000 // len(piece)) + "\n://")

    assert time.process_time() - started < 2
