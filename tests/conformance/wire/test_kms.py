"""KMS against boto3 and the AWS CLI: keys, aliases, rotation, deletion, and what they encrypt."""

import base64
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.builders import ACCOUNT, REGION, a_credential
from tests.conformance.wire.conftest import Connect
from tests.conformance.wire.kms_calls import new_key, refusal
from tests.support.api import ApiInThread, recorded
from tests.support.clients import require_aws_cli

MISSING = "99999999-9999-4999-8999-999999999999"
CONTEXT = {"tenant": "blue", "stage": "prod"}
DAY = 86_400


def test_a_key_is_shown_as_kms_shows_it(kms: Any) -> None:
    created = kms.create_key(Description="ledger", Tags=[{"TagKey": "team", "TagValue": "audit"}])["KeyMetadata"]
    described = kms.describe_key(KeyId=created["KeyId"])["KeyMetadata"]

    assert described == created
    assert created["Arn"] == f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{created['KeyId']}"
    assert len(created.pop("CurrentKeyMaterialId")) == 64
    for name in ("KeyId", "Arn", "CreationDate"):
        created.pop(name)
    assert created == {
        "AWSAccountId": ACCOUNT,
        "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT",
        "Description": "ledger",
        "Enabled": True,
        "EncryptionAlgorithms": ["SYMMETRIC_DEFAULT"],
        "KeyManager": "CUSTOMER",
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": False,
        "Origin": "AWS_KMS",
    }


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"}, "UnsupportedOperationException"),
        ({"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"}, "UnsupportedOperationException"),
        ({"KeySpec": "RSA_2048"}, "ValidationException"),
        ({"KeySpec": "NO_SUCH"}, "ValidationException"),
        ({"KeySpec": "SYMMETRIC_DEFAULT", "CustomerMasterKeySpec": "SYMMETRIC_DEFAULT"}, "ValidationException"),
        ({"MultiRegion": True}, "UnsupportedOperationException"),
        ({"Origin": "EXTERNAL"}, "UnsupportedOperationException"),
        ({"CustomKeyStoreId": "cks-1"}, "UnsupportedOperationException"),
        ({"Description": "a\0b"}, "ValidationException"),
        ({"Policy": "{}"}, "MalformedPolicyDocumentException"),
        ({"Policy": " " * 32_769}, "LimitExceededException"),
        ({"Tags": [{"TagKey": "a", "TagValue": ""}] * 2}, "TagException"),
        ({"Tags": [{"TagKey": "AWS:a", "TagValue": ""}]}, "TagException"),
        ({"Tags": [{"TagKey": f"k{n}", "TagValue": ""} for n in range(51)]}, "TagException"),
    ],
)
def test_a_key_of_another_kind_or_with_bad_members_is_refused(kms: Any, parameters: dict[str, Any], code: str) -> None:
    assert refusal(kms.create_key, **parameters)[0] == code
    assert kms.list_keys()["Keys"] == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (MISSING, f"Key 'arn:aws:kms:{REGION}:{ACCOUNT}:key/{MISSING}' does not exist"),
        ("fake-key-id", "Invalid keyId 'fake-key-id'"),
        (f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/{MISSING}", "Invalid arn eu-west-1"),
        ("alias/a\0b", "Invalid keyId 'alias/a\0b'"),
        ("alias/none", f"Alias arn:aws:kms:{REGION}:{ACCOUNT}:alias/none is not found."),
    ],
)
def test_what_is_no_key_is_not_found_in_kms_s_words(kms: Any, given: str, message: str) -> None:
    assert refusal(kms.describe_key, KeyId=given) == ("NotFoundException", message)


def test_what_a_key_encrypts_it_decrypts_with_the_same_context_only(kms: Any) -> None:
    key = new_key(kms)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"pay roll", EncryptionContext=CONTEXT)
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=dict(reversed(CONTEXT.items())))

    assert (opened["Plaintext"], opened["KeyId"], sealed["KeyId"]) == (b"pay roll", key, key)
    assert opened["EncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    assert opened["KeyMaterialId"] == kms.describe_key(KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    for blob, context in (
        (sealed["CiphertextBlob"], {}),
        (sealed["CiphertextBlob"], {"tenant": "red", "stage": "prod"}),
        (sealed["CiphertextBlob"][:-1], CONTEXT),
        (b"garbage", CONTEXT),
    ):
        assert refusal(kms.decrypt, CiphertextBlob=blob, EncryptionContext=context)[0] == "InvalidCiphertextException"


def test_sizes_have_kms_s_bounds(kms: Any) -> None:
    key = new_key(kms)

    assert len(kms.encrypt(KeyId=key, Plaintext=bytes(4096))["CiphertextBlob"]) <= 6144
    assert refusal(kms.encrypt, KeyId=key, Plaintext=bytes(4097)) == (
        "ValidationException",
        "1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must have length less "
        "than or equal to 4096",
    )
    too_large = {"k": "v" * 8192}
    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionContext=too_large)[0] == "ValidationException"


@pytest.mark.parametrize(
    ("parameters", "size"),
    [({"KeySpec": "AES_256"}, 32), ({"KeySpec": "AES_128"}, 16), ({"NumberOfBytes": 1024}, 1024)],
)
def test_a_data_key_is_what_its_blob_holds(kms: Any, parameters: dict[str, Any], size: int) -> None:
    key = new_key(kms)
    made = kms.generate_data_key(KeyId=key, EncryptionContext=CONTEXT, **parameters)
    sealed = kms.generate_data_key_without_plaintext(KeyId=key, **parameters)

    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=CONTEXT)
    assert opened["Plaintext"] == made["Plaintext"]
    assert len(made["Plaintext"]) == size
    assert "Plaintext" not in sealed
    assert len(kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"]) == size


@pytest.mark.parametrize("parameters", [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}])
def test_a_data_key_s_size_is_given_once(kms: Any, parameters: dict[str, Any]) -> None:
    code, message = refusal(kms.generate_data_key, KeyId=new_key(kms), **parameters)

    assert (code, message) == ("ValidationException", "Please specify either number of bytes or key spec.")


def test_random_bytes(kms: Any) -> None:
    assert len(kms.generate_random(NumberOfBytes=91)["Plaintext"]) == 91
    assert kms.generate_random(NumberOfBytes=16)["Plaintext"] != kms.generate_random(NumberOfBytes=16)["Plaintext"]
    assert refusal(kms.generate_random) == ("ValidationException", "NumberOfBytes is required.")
    assert refusal(kms.generate_random, NumberOfBytes=1025)[0] == "ValidationException"
    assert refusal(kms.generate_random, NumberOfBytes=1, CustomKeyStoreId="c")[0] == "UnsupportedOperationException"


def test_re_encrypting_changes_key_and_context_and_not_the_content(kms: Any) -> None:
    old, new = new_key(kms), new_key(kms)
    sealed = kms.encrypt(KeyId=old, Plaintext=b"x", EncryptionContext={"a": "1"})["CiphertextBlob"]

    moved = kms.re_encrypt(
        CiphertextBlob=sealed,
        SourceEncryptionContext={"a": "1"},
        DestinationKeyId=new,
        DestinationEncryptionContext={"b": "2"},
    )

    assert (moved["SourceKeyId"], moved["KeyId"]) == (old, new)
    opened = kms.decrypt(CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"b": "2"}, KeyId=new)
    assert opened["Plaintext"] == b"x"


def test_a_key_named_for_decryption_must_be_the_blob_s(kms: Any) -> None:
    one, two = new_key(kms), new_key(kms)
    sealed = kms.encrypt(KeyId=one, Plaintext=b"x")["CiphertextBlob"]
    incorrect = (
        "IncorrectKeyException",
        "The key ID in the request does not identify a CMK that can perform this operation.",
    )

    assert kms.decrypt(CiphertextBlob=sealed, KeyId=one)["Plaintext"] == b"x"
    assert refusal(kms.decrypt, CiphertextBlob=sealed, KeyId=two) == incorrect
    assert refusal(kms.re_encrypt, CiphertextBlob=sealed, SourceKeyId=two, DestinationKeyId=one) == incorrect


def test_a_trial_says_that_it_would_have_succeeded(kms: Any) -> None:
    key = new_key(kms)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    expected = ("DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")

    assert refusal(kms.encrypt, KeyId=key, Plaintext=b"x", DryRun=True) == expected
    assert refusal(kms.decrypt, CiphertextBlob=sealed, DryRun=True) == expected
    assert refusal(kms.generate_data_key, KeyId=key, KeySpec="AES_256", DryRun=True) == expected


def test_what_is_not_built_is_refused_and_not_ignored(kms: Any) -> None:
    key = new_key(kms)

    grants = refusal(kms.encrypt, KeyId=key, Plaintext=b"x", GrantTokens=["token"])
    assert grants[0] == "InvalidGrantTokenException"
    algorithm = refusal(kms.encrypt, KeyId=key, Plaintext=b"x", EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert algorithm[0] == "InvalidKeyUsageException"
    assert (
        refusal(kms.sign, KeyId=key, Message=b"x", SigningAlgorithm="ECDSA_SHA_256")[0] == "UnknownOperationException"
    )
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": b"x"}
    code, _ = refusal(kms.generate_data_key, KeyId=key, KeySpec="AES_256", Recipient=recipient)
    assert code == "ValidationException"


def test_a_rotated_key_decrypts_what_it_encrypted_before(kms: Any) -> None:
    key = new_key(kms)
    sealed = [kms.encrypt(KeyId=key, Plaintext=b"0")]
    for number in (b"1", b"2"):
        assert kms.rotate_key_on_demand(KeyId=key)["KeyId"] == key
        sealed.append(kms.encrypt(KeyId=key, Plaintext=number))

    opened = [kms.decrypt(CiphertextBlob=each["CiphertextBlob"]) for each in sealed]
    rotations = kms.list_key_rotations(KeyId=key, IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [each["Plaintext"] for each in opened] == [b"0", b"1", b"2"]
    assert [each["KeyMaterialId"] for each in opened] == [each["KeyMaterialId"] for each in rotations]
    assert [each["KeyMaterialState"] for each in rotations] == ["NON_CURRENT", "NON_CURRENT", "CURRENT"]
    assert [each.get("RotationType") for each in rotations] == [None, "ON_DEMAND", "ON_DEMAND"]
    assert len(kms.list_key_rotations(KeyId=key)["Rotations"]) == 2


def test_on_demand_rotations_end_at_the_quota(kms: Any) -> None:
    key = new_key(kms)
    for _ in range(25):
        kms.rotate_key_on_demand(KeyId=key)

    code, message = refusal(kms.rotate_key_on_demand, KeyId=key)

    assert code == "LimitExceededException"
    assert message.endswith(f"No more on-demand rotations can be performed for this key: {key}")


def test_automatic_rotation_is_switched_on_and_off(api: ApiInThread, kms: Any) -> None:
    key = new_key(kms)
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False

    kms.enable_key_rotation(KeyId=key)
    status = kms.get_key_rotation_status(KeyId=key)
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"], status["KeyId"]) == (True, 365, key)
    assert abs((status["NextRotationDate"] - api.world.clock.now()).total_seconds() - 365 * DAY) < 60

    kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=90)
    assert kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"] == 90
    assert refusal(kms.enable_key_rotation, KeyId=key, RotationPeriodInDays=89)[0] == "ValidationException"
    kms.disable_key_rotation(KeyId=key)
    status = kms.get_key_rotation_status(KeyId=key)
    assert status["KeyRotationEnabled"] is False
    assert "NextRotationDate" not in status


def test_a_disabled_key_does_nothing_until_it_is_enabled(kms: Any) -> None:
    key = new_key(kms)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.disable_key(KeyId=key)

    for call, parameters in (
        (kms.encrypt, {"KeyId": key, "Plaintext": b"x"}),
        (kms.decrypt, {"CiphertextBlob": sealed}),
        (kms.generate_data_key, {"KeyId": key, "KeySpec": "AES_256"}),
        (kms.rotate_key_on_demand, {"KeyId": key}),
        (kms.enable_key_rotation, {"KeyId": key}),
    ):
        assert refusal(call, **parameters) == ("DisabledException", f"{key} is disabled.")
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"]) == ("Disabled", False)
    kms.enable_key(KeyId=key)
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"x"


def test_a_key_is_deleted_after_its_window_and_not_before(api: ApiInThread, kms: Any) -> None:
    key = new_key(kms)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    kms.create_alias(AliasName="alias/dying", TargetKeyId=key)
    kms.enable_key_rotation(KeyId=key)
    scheduled = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    pending = ("KMSInvalidStateException", f"{key} is pending deletion.")

    assert (scheduled["KeyId"], scheduled["KeyState"], scheduled["PendingWindowInDays"]) == (key, "PendingDeletion", 7)
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["DeletionDate"] == scheduled["DeletionDate"]
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    for call, parameters in (
        (kms.decrypt, {"CiphertextBlob": sealed}),
        (kms.enable_key, {"KeyId": key}),
        (kms.disable_key, {"KeyId": key}),
        (kms.schedule_key_deletion, {"KeyId": key}),
        (kms.create_alias, {"AliasName": "alias/more", "TargetKeyId": key}),
        (kms.tag_resource, {"KeyId": key, "Tags": [{"TagKey": "a", "TagValue": "b"}]}),
        (kms.update_key_description, {"KeyId": key, "Description": "x"}),
    ):
        assert refusal(call, **parameters) == pending
    waiting = api.do(api.world.key_ring.describe(key))
    api.do(api.world.keys.change(waiting, replace(waiting, deletion_at=api.world.clock.now())))

    assert refusal(kms.describe_key, KeyId=key)[0] == "NotFoundException"
    assert refusal(kms.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    assert kms.list_keys()["Keys"] == []


def test_a_deletion_is_called_off(kms: Any) -> None:
    key = new_key(kms)
    not_pending = ("KMSInvalidStateException", f"{key} is not pending deletion.")
    assert refusal(kms.cancel_key_deletion, KeyId=key) == not_pending
    kms.schedule_key_deletion(KeyId=key)

    assert kms.cancel_key_deletion(KeyId=key)["KeyId"] == key
    described = kms.describe_key(KeyId=key)["KeyMetadata"]
    assert described["KeyState"] == "Disabled"
    assert "DeletionDate" not in described


@pytest.mark.parametrize("days", [1, 6, 31])
def test_the_window_of_a_deletion_is_7_to_30_days(kms: Any, days: int) -> None:
    key = new_key(kms)

    assert refusal(kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=days)[0] == "ValidationException"
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_an_alias_names_one_key_and_then_another(kms: Any) -> None:
    one, two = new_key(kms), new_key(kms)
    kms.create_alias(AliasName="alias/logs", TargetKeyId=one)
    arn = f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/logs"
    sealed = kms.encrypt(KeyId="alias/logs", Plaintext=b"x")

    assert sealed["KeyId"] == one
    assert kms.describe_key(KeyId=arn)["KeyMetadata"]["Arn"] == one
    assert refusal(kms.create_alias, AliasName="alias/logs", TargetKeyId=two) == (
        "AlreadyExistsException",
        f"An alias with the name {arn} already exists",
    )
    kms.update_alias(AliasName="alias/logs", TargetKeyId=two)
    assert kms.encrypt(KeyId=arn, Plaintext=b"x")["KeyId"] == two
    assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["KeyId"] == one
    assert refusal(kms.decrypt, CiphertextBlob=sealed["CiphertextBlob"], KeyId=arn)[0] == "IncorrectKeyException"
    [shown] = kms.list_aliases(KeyId=two)["Aliases"]
    assert (shown["AliasName"], shown["AliasArn"], shown["TargetKeyId"]) == ("alias/logs", arn, two.split("/")[1])
    assert kms.list_aliases(KeyId=one)["Aliases"] == []
    kms.delete_alias(AliasName="alias/logs")
    assert kms.list_aliases()["Aliases"] == []
    assert refusal(kms.delete_alias, AliasName="alias/logs")[1] == f"Alias {arn} is not found."


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("logs", "ValidationException"),
        ("alias/", "ValidationException"),
        ("alias/with space", "ValidationException"),
        ("alias/aws/s3", "InvalidAliasNameException"),
    ],
)
def test_a_bad_alias_is_refused(kms: Any, name: str, code: str) -> None:
    assert refusal(kms.create_alias, AliasName=name, TargetKeyId=new_key(kms))[0] == code


def test_operations_that_change_a_key_do_not_take_its_alias(kms: Any) -> None:
    kms.create_alias(AliasName="alias/logs", TargetKeyId=new_key(kms))

    assert refusal(kms.disable_key, KeyId="alias/logs") == ("NotFoundException", "Invalid keyId 'alias/logs'")


def test_a_key_has_50_aliases_at_most(kms: Any) -> None:
    key = new_key(kms)
    for number in range(50):
        kms.create_alias(AliasName=f"alias/{number}", TargetKeyId=key)

    assert refusal(kms.create_alias, AliasName="alias/50", TargetKeyId=key)[0] == "LimitExceededException"


def test_lists_come_in_pages(kms: Any) -> None:
    keys = sorted(new_key(kms).split("/")[1] for _ in range(5))
    for number, key in enumerate(keys):
        kms.create_alias(AliasName=f"alias/{number}", TargetKeyId=key)
    kms.tag_resource(KeyId=keys[0], Tags=[{"TagKey": f"t{n}", "TagValue": str(n)} for n in range(5)])

    listed = kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert [key["KeyId"] for page in listed for key in page["Keys"]] == keys
    aliases = kms.get_paginator("list_aliases").paginate(PaginationConfig={"PageSize": 2})
    assert [alias["TargetKeyId"] for page in aliases for alias in page["Aliases"]] == keys
    tags = kms.get_paginator("list_resource_tags").paginate(KeyId=keys[0], PaginationConfig={"PageSize": 2})
    assert [tag["TagValue"] for page in tags for tag in page["Tags"]] == list("01234")
    for marker in (b"nonsense", b"1:", b"1:\0", b"\xff"):
        code, _ = refusal(kms.list_keys, Marker=base64.b64encode(marker).decode())
        assert code == "InvalidMarkerException"
    assert refusal(kms.list_keys, Limit=1001)[0] == "ValidationException"
    assert kms.list_keys(ResourceOwners=["OTHER_ACCOUNTS_VIA_RAM"])["Keys"] == []


def test_tags_and_description_are_changed(kms: Any) -> None:
    key = new_key(kms, Tags=[{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": "2"}])

    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "x"}, {"TagKey": "c", "TagValue": ""}])
    kms.untag_resource(KeyId=key, TagKeys=["b", "none"])
    kms.update_key_description(KeyId=key, Description="said anew")

    shown = [(tag["TagKey"], tag["TagValue"]) for tag in kms.list_resource_tags(KeyId=key)["Tags"]]
    assert shown == [("a", "x"), ("c", "")]
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "said anew"


def test_a_key_is_of_one_region(kms: Any, connect: Connect) -> None:
    key = new_key(kms)
    sealed = kms.encrypt(KeyId=key, Plaintext=b"x")["CiphertextBlob"]
    ireland = connect("kms", region="eu-west-1")

    assert refusal(ireland.describe_key, KeyId=key) == ("NotFoundException", f"Invalid arn {REGION}")
    assert refusal(ireland.decrypt, CiphertextBlob=sealed)[0] == "AccessDeniedException"
    assert ireland.list_keys()["Keys"] == []


def test_every_call_is_on_record_with_its_key_and_without_its_secrets(api: ApiInThread, kms: Any) -> None:
    key = new_key(kms)
    secret = b"the-very-secret-plaintext"
    sealed = kms.encrypt(KeyId=key, Plaintext=secret, EncryptionContext=CONTEXT)["CiphertextBlob"]
    kms.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT)
    made = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
    refusal(kms.decrypt, CiphertextBlob=b"garbage")
    kms.disable_key(KeyId=key)

    events = recorded(api.world)
    assert [event["eventName"] for event in events] == [
        "CreateKey",
        "Encrypt",
        "Decrypt",
        "GenerateDataKey",
        "Decrypt",
        "DisableKey",
    ]
    encrypted, decrypted, generated, failed, disabled = events[1:]
    resource = [{"accountId": ACCOUNT, "type": "AWS::KMS::Key", "ARN": key}]
    assert [event.get("resources") for event in events] == [resource] * 4 + [None] + [resource]
    assert encrypted["requestParameters"] == {"keyId": key, "encryptionContext": CONTEXT}
    assert decrypted["requestParameters"] == {"encryptionContext": CONTEXT}
    assert generated["requestParameters"] == {"keyId": key, "keySpec": "AES_256"}
    assert failed["errorCode"] == "InvalidCiphertextException"
    assert [event["readOnly"] for event in events] == [False, True, True, True, True, False]
    assert (disabled["eventSource"], disabled["responseElements"]) == ("kms.amazonaws.com", None)
    text = orjson.dumps(events)
    for leak in (secret, sealed, made["Plaintext"], made["CiphertextBlob"]):
        assert leak not in text
        assert base64.b64encode(leak) not in text


def test_a_key_from_the_command_line(api: ApiInThread, tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "AWS_ENDPOINT_URL": api.url,
        "AWS_ACCESS_KEY_ID": a_credential().access_key_id,
        "AWS_SECRET_ACCESS_KEY": a_credential().secret_access_key,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_MAX_ATTEMPTS": "1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }

    def aws(*arguments: str) -> Any:
        command = [require_aws_cli(), "kms", *arguments]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout) if result.stdout.strip() else None

    key = aws("create-key", "--description", "cli", "--tags", "TagKey=a,TagValue=b")["KeyMetadata"]["KeyId"]
    aws("create-alias", "--alias-name", "alias/cli", "--target-key-id", key)
    made = aws("generate-data-key", "--key-id", "alias/cli", "--key-spec", "AES_256", "--encryption-context", "a=1,b=2")
    blob = tmp_path / "blob"
    blob.write_bytes(base64.b64decode(made["CiphertextBlob"]))
    opened = aws("decrypt", "--ciphertext-blob", f"fileb://{blob}", "--encryption-context", "b=2,a=1")
    scheduled = aws("schedule-key-deletion", "--key-id", key, "--pending-window-in-days", "7")

    assert len(base64.b64decode(made["Plaintext"])) == 32
    assert opened["Plaintext"] == made["Plaintext"]
    assert scheduled["KeyState"] == "PendingDeletion"
